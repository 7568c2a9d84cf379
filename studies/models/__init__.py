"""Studies over the datasets of several portals, and the joint questions asked in them."""

from studies.models.joint_answers import JointAnswer, Part
from studies.models.legs import Leg
from studies.models.studies import Member, Participation, Study

__all__ = ["JointAnswer", "Leg", "Member", "Part", "Participation", "Study"]
