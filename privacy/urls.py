from django.urls import path
from django.views.generic import RedirectView

app_name = "privacy"
urlpatterns = [
    path("budgets/<uuid:pk>/", RedirectView.as_view(url="/"), name="budget"),
    path("budgets/<uuid:pk>/ask/", RedirectView.as_view(url="/"), name="ask"),
    path("top-ups/<uuid:pk>/", RedirectView.as_view(url="/"), name="top_up"),
]
