// Runs before the first paint, so it stands alone: the colour scheme, and that scripts work at all.
(() => {
  const root = document.documentElement
  const system = matchMedia('(prefers-color-scheme: dark)')
  const chosen = () => localStorage.getItem('weir-theme')
  const show = () => { root.dataset.bsTheme = chosen() ?? (system.matches ? 'dark' : 'light') }
  root.classList.add('js')
  root.dataset.times = localStorage.getItem('weir-times') ?? 'relative'
  show()
  system.addEventListener('change', show)
  addEventListener('storage', show)
  document.addEventListener('weir:theme', show)
})()
