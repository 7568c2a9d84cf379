"""The addresses of accounts in the REST API."""

from django.urls import path

from accounts.api import devices, me, notifications, people, registration

urlpatterns = [
    path("me/", me.Me.as_view(), name="me"),
    path("me/tokens/", me.Tokens.as_view(), name="tokens"),
    path("me/tokens/<uuid:pk>/", me.Token.as_view(), name="token"),
    path("me/notifications/", notifications.Notifications.as_view(), name="notifications"),
    path("me/notifications/read-all/", notifications.NotificationsRead.as_view(), name="notifications_read"),
    path(
        "me/notifications/<uuid:pk>/read/", notifications.NotificationRead.as_view(), name="notification_read"
    ),
    path("device/", devices.Device.as_view(), name="device"),
    path("device/token/", devices.DeviceToken.as_view(), name="device_token"),
    path("register/", registration.Register.as_view(), name="register"),
    path("people/", people.People.as_view(), name="people"),
    path("people/<uuid:pk>/", people.Person.as_view(), name="person"),
    path("invitations/", people.Invitations.as_view(), name="invitations"),
]
