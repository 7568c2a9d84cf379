"""A working week of the demo: requests in every state, created by its people in a realistic order."""

from datasets.models import Dataset
from portal.demo import answers, data, lane, people, programs
from portal.demo.lane import Lane, checked, in_review, judged, remarked, request, revised, submitted
from requests_app import services
from requests_app.models import CodeRequest, Release, Run
from requests_app.services import releases

PANEL_STUDY = {
    "purpose": "A paper on unions and wages in the 1980s, to be submitted to a labour economics journal.",
    "outputs": "Tables of means and regression coefficients.",
}
SMOKING_STUDY = {
    "purpose": "Teaching causal inference with a real example.",
    "outputs": "A few group differences with their standard errors.",
}


def play(work: Lane) -> None:
    """Create everything that is still missing."""
    panel, survey = data.wage_panel(), data.health_survey()
    data.give_access(panel, people.MEI, **PANEL_STUDY)
    data.give_access(panel, people.YUSUF, purpose="Regional policy report.", outputs="Regional means.")
    data.give_access(panel, people.VIKTOR, purpose="Regional policy report.", outputs="Regional means.")
    data.give_access(survey, people.MEI, **SMOKING_STUDY)
    _before_blood_pressure(survey)
    data.add_blood_pressure(survey)
    _released(panel, work)
    _waiting_for_the_output_check(panel, work)
    _second_round(panel)
    _other_verdicts(panel)
    _not_run_or_failed(panel, work)
    _drafts(panel)
    _survey(survey, work)
    data.ask_for_access(survey, people.YUSUF, **SMOKING_STUDY)
    answers.play(panel, survey)


def _before_blood_pressure(survey: Dataset) -> None:
    """Create a request approved on the first revision, which expires with that revision."""
    tomas = people.find(people.TOMAS)
    item = request(
        survey,
        people.MEI,
        "Survival by exercise",
        programs.EXERCISE,
        purpose="To see whether exercise offsets smoking.",
        context="Twelve cells of a hundred people and more.",
    )
    judged(item, "approve", by=tomas, comment="Fine. Mind the smaller cells.", runs=1)


def _released(panel: Dataset, work: Lane) -> None:
    ingrid, priya = people.find(people.INGRID), people.find(people.PRIYA)
    item = request(
        panel,
        people.MEI,
        "Union wage premium, year by year",
        programs.UNION,
        purpose="Figure 1 of the paper: how the premium moved through the decade.",
        context="Sixteen means over at least 100 people each, and their difference by year.",
    )
    work.tried(item)
    in_review(item, by=priya)
    remarked(item, "Good that the number of people is reported too.", by=priya, line=9)
    judged(item, "approve", by=priya, comment="Means over large groups. Approved for three runs.", runs=3)
    checked(work.ran(item), "release", by=ingrid, comment="Checked: at least 100 people behind every number.")


def _waiting_for_the_output_check(panel: Dataset, work: Lane) -> None:
    item = request(
        panel,
        people.MEI,
        "Returns to schooling, 1987",
        programs.SCHOOLING,
        purpose="Table 2 of the paper: the usual wage equation.",
        context="Four coefficients of a regression on 545 people.",
    )
    judged(item, "approve", by=people.find(people.PRIYA), comment="A regression on everybody.", runs=2)
    work.ran(item)


def _second_round(panel: Dataset) -> None:
    """Create a request whose second version awaits review after changes were requested."""
    ingrid = people.find(people.INGRID)
    item = request(
        panel,
        people.YUSUF,
        "Wages by occupation",
        programs.OCCUPATIONS_FIRST,
        purpose="A map of wages for the regional report.",
        context="Cells of occupation, region and year.",
    )
    if item.versions.count() < 2:
        submitted(item)
        remarked(item, "Minimum and maximum are single people's wages. Please drop both.", by=ingrid, line=4)
        remarked(item, "Occupation × region × year leaves cells of one or two people.", by=ingrid, line=3)
        judged(item, "request_changes", by=ingrid, comment="Too fine: see the two remarks.")
        revised(item, programs.OCCUPATIONS_SECOND)


def _other_verdicts(panel: Dataset) -> None:
    ingrid, priya = people.find(people.INGRID), people.find(people.PRIYA)
    rejected = request(
        panel,
        people.YUSUF,
        "The best paid",
        programs.TOP_EARNERS,
        purpose="To illustrate the report with examples.",
        context="Twenty rows.",
    )
    reason = "These are twenty people's own records. Nothing like this can leave, whatever the purpose."
    judged(rejected, "reject", by=ingrid, comment=reason)
    changes = request(
        panel,
        people.MEI,
        "Spread of wages by experience",
        programs.CONVERGENCE,
        purpose="Appendix B of the paper.",
        context="Standard deviations by year of experience.",
    )
    judged(
        changes, "request_changes", by=priya, comment="Count people, not rows: one person is in eight rows."
    )
    reviewing = request(
        panel,
        people.YUSUF,
        "Regional wages",
        programs.REGIONS,
        purpose="Chapter 3 of the regional report.",
        context="Four regions, eight years.",
    )
    in_review(reviewing, by=priya)
    remarked(reviewing, "How many people are behind the smallest region and year?", by=priya, line=3)


def _not_run_or_failed(panel: Dataset, work: Lane) -> None:
    ingrid, priya = people.find(people.INGRID), people.find(people.PRIYA)
    approved = request(
        panel,
        people.MEI,
        "Hours and marriage",
        programs.HOURS,
        purpose="A footnote of the paper.",
        context="Two means over several hundred people.",
    )
    judged(approved, "approve", by=ingrid, comment="Two means. Approved.", runs=2)
    lane.cancelled(approved)
    failed = request(
        panel,
        people.YUSUF,
        "Wage growth by industry",
        programs.BROKEN,
        purpose="Chapter 4 of the regional report.",
        context="One mean per industry.",
    )
    judged(failed, "approve", by=priya, comment="One mean per industry is fine.", runs=2)
    work.ran(failed)
    revoked = request(
        panel,
        people.VIKTOR,
        "Regional wages, second look",
        programs.REGIONS,
        purpose="The regional report.",
        context="Four regions, eight years.",
    )
    judged(revoked, "approve", by=ingrid, comment="Approved.", runs=1)
    if lane.fresh(revoked).state == CodeRequest.State.APPROVED:
        services.revoke(lane.fresh(revoked), by=ingrid, reason="The author left the project.")


def _drafts(panel: Dataset) -> None:
    request(
        panel,
        people.MEI,
        "Unions and hours",
        programs.HOURS.replace("married", "union"),
        purpose="A follow-up question of the referee.",
        context="",
    )
    withdrawn = request(
        panel,
        people.YUSUF,
        "Regional wages, first try",
        programs.REGIONS,
        purpose="The regional report.",
        context="Replaced by a better one.",
    )
    if lane.submitted(withdrawn).state == CodeRequest.State.SUBMITTED:
        services.withdraw(lane.fresh(withdrawn), by=withdrawn.author)


def _survey(survey: Dataset, work: Lane) -> None:
    """Create the survey's requests: one release recalled, one refused, one sent back, and a new request."""
    tomas = people.find(people.TOMAS)
    recalled = checked(
        _approved_run(survey, "Giving up smoking and weight", programs.QUITTING, work),
        "release",
        by=tomas,
    )
    if recalled and recalled.state == Release.State.RELEASED:
        reason = "Weights of 1982 were found to be in the wrong unit for one clinic."
        releases.recall(recalled, by=tomas, reason=reason)
    checked(
        _approved_run(survey, "Asthma by age and sex", programs.ASTHMA, work),
        "reject",
        by=tomas,
        comment="Most cells hold fewer than ten people.",
    )
    checked(
        _approved_run(survey, "Weight by exercise", programs.WEIGHT, work),
        "request_changes",
        by=tomas,
        comment="Round to whole kilograms and leave out the mean of the small group.",
    )
    submitted(
        request(
            survey,
            people.MEI,
            "Blood pressure by age",
            programs.PRESSURE,
            purpose="An exercise on the new column.",
            context="Five age groups of a hundred people and more.",
        )
    )


def _approved_run(survey: Dataset, title: str, code: str, work: Lane) -> Run | None:
    item = request(
        survey,
        people.MEI,
        title,
        code,
        purpose="An exercise of the course.",
        context="Group means over the whole survey.",
    )
    judged(item, "approve", by=people.find(people.TOMAS), comment="Approved for one run.", runs=1)
    return work.ran(item)
