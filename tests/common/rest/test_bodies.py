"""Bodies take each value only in its own JSON type: nothing is converted."""

from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from common.rest.bodies import Body


class Part(Body):
    size = serializers.IntegerField()


class Whole(Body):
    text = serializers.CharField(required=False)
    whole = serializers.IntegerField(required=False, allow_null=True)
    number = serializers.FloatField(required=False)
    flag = serializers.BooleanField(required=False)
    id = serializers.UUIDField(required=False)
    names = serializers.ListField(child=serializers.CharField(), required=False)
    counts = serializers.DictField(child=serializers.IntegerField(), required=False)
    parts = serializers.ListField(child=Part(), required=False)


def checked(data: dict[str, Any]) -> dict[str, Any]:
    body = Whole(data=data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"text": 5}, "This must be text."),
        ({"whole": "5"}, "This must be a whole number."),
        ({"whole": 5.5}, "This must be a whole number."),
        ({"whole": True}, "This must be a whole number."),
        ({"number": "1.5"}, "This must be a number."),
        ({"number": False}, "This must be a number."),
        ({"flag": "yes"}, "This must be true or false."),
        ({"flag": 1}, "This must be true or false."),
        ({"id": 5}, "This must be text."),
        ({"names": ["a", 5]}, "This must be a list, each part text."),
        ({"counts": {"a": 1, "b": "2"}}, "This must be an object, each value a whole number."),
    ],
)
def test_values_of_another_type_are_refused(data: dict[str, Any], reason: str):
    with pytest.raises(ValidationError) as refused:
        checked(data)
    (name,) = data
    assert refused.value.detail == {name: [reason]}


def test_parts_are_checked_as_well():
    with pytest.raises(ValidationError) as refused:
        checked({"parts": [{"size": 1}, {"size": "2"}]})
    assert "This must be a whole number." in str(refused.value.detail)


def test_a_whole_number_may_be_written_with_a_point():
    assert checked({"whole": 5.0, "counts": {"a": -2.0}}) == {"whole": 5, "counts": {"a": -2}}


def test_values_of_the_right_type_are_taken():
    given = {
        "text": "5",
        "whole": None,
        "number": 2,
        "flag": False,
        "names": ["a"],
        "counts": {"a": 1},
        "parts": [{"size": 1}],
    }
    assert checked(given) == given
