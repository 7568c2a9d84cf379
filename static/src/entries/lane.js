import '../css/lane.css'
