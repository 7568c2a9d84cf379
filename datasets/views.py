"""Pages of datasets."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from common.http import UserRequest, found
from datasets.models import AccessRequest, Dataset


def index(request: UserRequest) -> HttpResponse:
    return render(request, "datasets/list.html", {"datasets": Dataset.objects.visible_to(request.user)})


def detail(request: UserRequest, pk: UUID) -> HttpResponse:
    dataset = found(Dataset.objects.visible_to(request.user), pk=pk)
    return render(request, "datasets/detail.html", {"dataset": dataset})


def access(request: UserRequest, pk: UUID) -> HttpResponse:
    item = found(AccessRequest.objects.visible_to(request.user), pk=pk)
    return render(request, "datasets/access.html", {"item": item})
