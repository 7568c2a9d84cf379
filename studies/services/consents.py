"""What an owner agrees to when a dataset takes part in a study, in plain words. It is kept word for word."""

import math
from collections.abc import Collection, Sequence

from django.conf import settings

from common.errors import Conflict, Refused
from datasets.models import Dataset
from privacy.models import Promise
from privacy.presentation.promise_in_words import PromiseInWords
from studies import queries
from studies.documents import StudyDocument, read_study
from studies.models import Study

ASKING = (
    "A scientist of any of these portals who has access to your dataset and a budget on it can ask joint questions. "
    "This portal charges your promise and computes its part of the answer. Before anything leaves, it adds noise and "
    "hides the part under masks. Rows never leave, and no portal sees another one's part: only the noisy sum over all "
    "portals can be read."
)
SEVERAL = (
    "The same person may be in the data of several of these portals. Joint answers then tell more about this person "
    "than each portal's promise says alone. If no portal counts on others, the promises add up as the root of the sum "
    "of the squares of all mu. As soon as one portal counts on others, all mu are simply added."
)
LEAVING = (
    "You can leave the study at any time. Questions that have not been computed by then are given up. Answers that "
    "were released remain released."
)
ALONE = (
    "You count on no other portal. Your promise holds whatever the others do: this portal adds all the noise that it "
    "needs. Questions cost scientists more than if you counted on others."
)
TOO_FEW = (
    "You count on {names}, which changes nothing: at least one other portal of a question is never counted on. Your "
    "promise holds whatever the others do."
)
COUNTING = (
    "You count on {names} to run Weir as it is built: to add their noise, and to keep their masks secret. Up to {h} "
    "portals, with yours, then share the noise that your promise needs, so that questions cost scientists less. At "
    "least one other portal of a question is never counted on, nor is the portal of the scientist who asks."
)
AS_PROMISED = (
    "If all of them do so, someone who sees everything ever released and must guess whether a given person is in your "
    "data is right in at most {guesses} of 100 cases (50 = coin toss). If fewer of the {h} add their noise and keep "
    "their masks secret, your promise is weaker:"
)


def consent_text(study: Study, dataset: Dataset, relies_on: Collection[str]) -> str:
    """Return the conditions of taking part with this dataset, counting on these portals.

    Raises Refused for a portal that is not one of the study's.
    """
    return text_for(read_study(study.document), dataset, relies_on)


def text_for(document: StudyDocument, dataset: Dataset, relies_on: Collection[str]) -> str:
    """Return the same for a study that is not founded yet."""
    parts = [
        f"“{dataset.title}” takes part in the study “{document.title}”.",
        f"Its purpose: {document.purpose}",
        f"Its portals: {_listed(document.portals)}.",
        ASKING,
        *_reliance(document.portals, dataset.promise, relies_on),
        SEVERAL,
        LEAVING,
    ]
    return "\n\n".join(parts)


def must_be_agreed(shown: str, now: str) -> None:
    """Raise Conflict unless the text that an owner was shown is the text as it is now. Forms change line ends."""
    if shown.replace("\r\n", "\n").strip() != now:
        raise Conflict(
            "The conditions have changed since you opened the page. Read them again, and agree to them."
        )


def checked(document: StudyDocument, relies_on: Collection[str]) -> list[str]:
    """Return the addresses of the portals that are counted on, in order. Raises Refused."""
    others = set(document.portals) - {settings.BASE_URL}
    if not set(relies_on) <= others:
        raise Refused("You can count on other portals of this study only.")
    return sorted(set(relies_on))


def _reliance(portals: Sequence[str], promise: Promise, relies_on: Collection[str]) -> list[str]:
    if not relies_on:
        return [ALONE]
    names = sorted({queries.name_of(url) for url in relies_on})
    h = queries.h_for(len(names), len(portals))
    if h == 1:
        return [TOO_FEW.format(names=_joined(names))]
    promised = AS_PROMISED.format(guesses=_guesses(promise, h, h), h=h)
    fewer = [
        f"– only {least}: in at most {_guesses(promise, h, least)} of 100 cases"
        for least in range(h - 1, 0, -1)
    ]
    return [COUNTING.format(names=_joined(names), h=h), "\n".join([promised, *fewer])]


def _guesses(promise: Promise, h: int, honest: int) -> str:
    """Return in how many of 100 cases a guess is right at most if `honest` of h shares of the noise are there."""
    words = PromiseInWords(
        epsilon=promise.epsilon,
        delta=promise.delta,
        mu=promise.mu * math.sqrt(h / honest),
        scientists=promise.scientists,
        threshold_delta=promise.threshold_delta,
    )
    return words.guesses


def _listed(urls: Sequence[str]) -> str:
    return "; ".join(f"{queries.name_of(url)} ({url})" for url in urls)


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
