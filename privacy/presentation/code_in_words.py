"""Submitted code that answers in blocks, in words, for pages and files. No function here reads rows."""

from privacy.engine.language.code import Ball, Box, CodeQuestion, Votes
from privacy.engine.language.schema import listed
from privacy.presentation.expressions_in_words import condition

METHODS = {
    "mean": "the mean of the blocks’ answers",
    "winsorised": "the mean of the blocks’ answers, with outliers pulled in",
    "median": "the median of the blocks’ answers",
    "ball": "the mean of the blocks’ vectors",
    "votes": "the blocks’ votes",
}
"""How the answers of blocks become one."""

COVERS = {
    "mean": "The interval covers the noise alone. It does not cover how much the answer would differ with other people "
    "in the blocks.",
    "winsorised": "The interval covers the noise, and how much blocks differ from each other.",
    "median": "The interval holds the median of all blocks of this size: it covers the noise, and how much blocks "
    "differ from each other.",
    "ball": "The interval of each number covers the noise alone, not how much the blocks differ.",
    "votes": "The interval covers the noise alone, not how the blocks would vote with other people in them.",
}
"""What the 95 % interval of an answer covers."""
ROUNDS = "There is no interval: in each round, the blocks answer to the noise of the rounds before."
BIAS = (
    "No interval can tell the bias: code over blocks of a few people may give another answer, on average, than over "
    "everybody."
)


def method_of(question: CodeQuestion) -> str:
    """Return the name of how blocks become one answer, for a question that was priced."""
    match question.shape:
        case Box(method=method):
            return method
        case Ball():
            return "ball"
        case Votes():
            return "votes"


def covers(question: CodeQuestion) -> str:
    """Return what the intervals of an answer cover, and what not."""
    if question.rounds > 1:
        return f"{ROUNDS} {BIAS}"
    return f"{COVERS[method_of(question)]} {BIAS}"


def say(question: CodeQuestion) -> str:
    """Return code in words: `Code on wages: mean_wage and gini where year ≥ 1985`."""
    text = f"Code on {question.table}: {_shape(question)}"
    if question.where is not None:
        text += f" where {condition(question.where)}"
    return text


def _shape(question: CodeQuestion) -> str:
    match question.shape:
        case Box(names=names):
            return listed(names)
        case Ball(size=size, rounds=rounds):
            numbers = "one number" if size == 1 else f"a vector of {size:,} numbers"
            return f"{numbers} in {rounds} rounds" if rounds > 1 else numbers
        case Votes(labels=labels):
            return f"a vote between {listed(labels)}"
