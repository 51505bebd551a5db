"""Sentence templates. Capital slots carry the facts, small slots carry distractors.

`{O}` owner, `{V}` verb, `{G}` gerund, `{I}` item, `{D}` date; `{n}`, `{m}`, `{p}` other people, `{v}`, `{g}`, `{i}`,
`{d}` another verb, gerund, item and date; `{w}`, `{W}` some other word, the second one capitalised. Every template is
one sentence, so that a note can be cut into its sentences again.
"""

from functools import cache
from string import Formatter
from typing import Final

Group = tuple[str, ...]

DECISION: Final[Group] = (
    "We decided to {V} {I}.",
    "The decision was to {V} {I}.",
    "It was agreed to {V} {I}.",
    "In the end we will {V} {I}.",
    "After some debate the team chose to {V} {I}.",
    "Everyone was in favour of {G} {I}.",
    "The group settled on {G} {I}.",
    "We agreed on {G} {I}.",
    "Final call: {V} {I}.",
    "The plan is to {V} {I}.",
    "The vote was clear: we {V} {I}.",
    "So we are {G} {I}.",
    "We want to {V} {I}.",
    "Next step: {V} {I}.",
    "Someone has to {V} {I}.",
    "The outcome: {V} {I}.",
    "We all think it is time to {V} {I}.",
    "Decided to {V} {I}.",
    "We will {V} {I}.",
    "We need to {V} {I}.",
    "The board asked us to {V} {I}.",
    "The only action is to {V} {I}.",
)
OWNER: Final[Group] = (
    "{O} will take care of it.",
    "{O} owns this.",
    "This goes to {O}.",
    "The owner is {O}.",
    "{O} took the task.",
    "{O} volunteered to do it.",
    "It was assigned to {O}.",
    "{O} is responsible.",
    "{O} said yes to leading it.",
    "We gave the job to {O}.",
    "{O} will do that.",
    "{O} is on it.",
    "Owner: {O}.",
    "{O} takes the lead.",
    "{O} will handle it.",
    "{O} picks this up.",
    "The person in charge is {O}.",
    "That is for {O} to do.",
    "{O} has agreed to do it.",
    "{O} leads on this.",
    "Responsible: {O}.",
    "We asked {O} to do it.",
    "Who: {O}.",
    "The owner of this is {O}.",
    "{O} will see to it.",
    "{O} is the one to do it.",
    "It is {O} who will do it.",
    "{O} raised a hand for it.",
)
DEADLINE: Final[Group] = (
    "It has to be done by {D}.",
    "The deadline is {D}.",
    "It is due {D}.",
    "We need it before {D}.",
    "It must be ready by {D}.",
    "Target date: {D}.",
    "Everything should be finished by {D}.",
    "No later than {D}, please.",
    "Due: {D}.",
    "Deadline {D}.",
    "It should be done by {D}.",
    "We want it done by {D}.",
    "We have time until {D}.",
    "That has to happen by {D}.",
    "By {D} at the latest.",
    "The date we agreed on is {D}.",
    "This is due on {D}.",
    "When: {D}.",
    "We hope to have it by {D}.",
    "It is needed by {D}.",
    "Latest date: {D}.",
)
OWNER_DEADLINE: Final[Group] = (
    "{O} will do it by {D}.",
    "{O} has until {D}.",
    "{O} promised to finish by {D}.",
    "This is on {O}, due {D}.",
    "{O} owns it and the deadline is {D}.",
    "{O} takes this, deadline {D}.",
    "{O} will have it ready by {D}.",
    "{O} said it can be done by {D}.",
    "{O} is on it and will be done by {D}.",
    "By {D}, {O} will be done with it.",
    "{O}, by {D}.",
    "It goes to {O} and is due {D}.",
    "{O} will look after it, to be done by {D}.",
)
DECISION_OWNER: Final[Group] = (
    "{O} will {V} {I}.",
    "We asked {O} to {V} {I}.",
    "{O} agreed to {V} {I}.",
    "{O} is going to {V} {I}.",
    "{O} offered to {V} {I}.",
    "{O} has to {V} {I}.",
    "The decision is that {O} will {V} {I}.",
    "{O} is {G} {I}.",
    "{O} to {V} {I}.",
    "It is up to {O} to {V} {I}.",
)
DECISION_DEADLINE: Final[Group] = (
    "We decided to {V} {I} by {D}.",
    "We have to {V} {I} before {D}.",
    "We agreed to {V} {I}, due {D}.",
    "The plan is to {V} {I} by {D}.",
    "We will {V} {I} by {D}.",
    "Decision: {V} {I} no later than {D}.",
)
WHOLE: Final[Group] = (
    "{O} will {V} {I} by {D}.",
    "It was agreed that {O} would {V} {I} no later than {D}.",
    "We asked {O} to {V} {I} before {D}.",
    "{O} agreed to {V} {I}, due {D}.",
    "By {D}, {O} has to {V} {I}.",
    "{O} is {G} {I} and should be done by {D}.",
    "{O} to {V} {I} by {D}.",
    "Action: {O} to {V} {I}, deadline {D}.",
    "{O} is going to {V} {I} until {D}.",
    "{O} promised to {V} {I} by {D}.",
    "We agreed that {O} will {V} {I} by {D}.",
    "{O} needs to {V} {I} before {D}.",
    "TODO {O}: {V} {I} by {D}.",
    "The team decided that {O} should {V} {I} by {D}.",
    "{O} has until {D} to {V} {I}.",
    "{O} will {V} {I}, and it is due {D}.",
    "It was decided to {V} {I} by {D} and {O} owns it.",
    "We will {V} {I} by {D}, owner {O}.",
    "{O} can {V} {I} by {D}.",
    "We {V} {I}, owner is {O}, deadline is {D}.",
    "{O} told us: I will {V} {I} by {D}.",
    "{O} has been asked to {V} {I} until {D}.",
    "Before {D}, {O} is going to {V} {I}.",
    "So {O} will {V} {I} by {D}.",
    "OK, {O} will {V} {I} by {D}.",
    "Also, {O} has to {V} {I} by {D}.",
    "In the end {O} will {V} {I} by {D}.",
)
FIXED_WHOLE: Final[Group] = (
    "{n} offered to {v} {i}, but {O} will {V} {I} by {D}.",
    "First {n} was going to {V} {I}, but now {O} will do it by {D}.",
    "Not {n} but {O} will {V} {I}, due {D}.",
    "{n} wanted to {v} {i} by {d}, but in the end {O} will {V} {I} by {D}.",
    "{O} will {V} {I} by {D}, not by {d}.",
    "{n} may help, but {O} has to {V} {I} by {D}.",
)
# Corrections: the first choice was dropped, the second one counts.
FIXED_DECISION: Final[Group] = (
    "We first wanted to {v} {i}, but in the end we decided to {V} {I}.",
    "Instead of {g} {i} we will {V} {I}.",
    "We will {V} {I}, not {i}.",
    "{n} wanted to {v} {i}, but the group chose to {V} {I}.",
    "We will not {v} {i}, we will {V} {I}.",
)
FIXED_OWNER: Final[Group] = (
    "{n} offered to help, but {O} will do it.",
    "It was first given to {n} and then to {O}.",
    "{O} takes it over from {n}.",
    "Not {n} but {O} is responsible.",
    "{n} has no time, so {O} will do it.",
    "{O} will do it instead of {n}.",
    "{n} asked {O} to take it, and {O} said yes.",
)
FIXED_DEADLINE: Final[Group] = (
    "It was due {d}, now it is due {D}.",
    "The deadline moved from {d} to {D}.",
    "It must be ready by {D} and not by {d}.",
    "{n} asked for {d}, but the deadline is {D}.",
    "Not {d} but {D} is the deadline.",
)
BULLET_DECISION: Final[Group] = (
    "decided: {V} {I}",
    "decision - {V} {I}",
    "outcome: {V} {I}",
    "we {V} {I}",
    "Decision: {V} {I}",
    "to do: {V} {I}",
)
BULLET_OWNER: Final[Group] = ("owner: {O}", "who: {O}", "assigned to {O}", "Owner: {O}", "{O} does it", "{O} (owner)")
BULLET_DEADLINE: Final[Group] = ("due: {D}", "deadline: {D}", "by {D}", "Deadline: {D}", "due {D}", "until {D}")
BULLET_WHOLE: Final[Group] = (
    "{O}: {V} {I} by {D}",
    "{O} to {V} {I}, {D}",
    "{O} - {V} {I} ({D})",
    "{V} {I} -> {O}, {D}",
    "action {O}: {V} {I}, due {D}",
)
BULLET_PRESENT: Final[Group] = ("present: {n}, {m}, {O}", "present: {n}, {O}", "with {n} and {m}", "absent: {n}")
TALK_QUESTION: Final[Group] = (
    "Should we {v} {i}?",
    "What about {i}?",
    "I have no news.",
    "Can we talk about {I}?",
    "Who has seen {i}?",
)
TALK_DECISION: Final[Group] = (
    "No, let us {V} {I}.",
    "I would {V} {I}.",
    "We should {V} {I}.",
    "We have to {V} {I}.",
    "I think we {V} {I}.",
)
TALK_WHO: Final[Group] = (
    "Agreed, who takes it?",
    "Fine, who can do it?",
    "Good idea, but who has time?",
    "Yes, who wants it?",
)
TALK_ANSWER: Final[Group] = (
    "I will, by {D}.",
    "I can do it by {D}.",
    "That is mine, done by {D}.",
    "I take it, ready by {D}.",
    "Me, and it will be done by {D}.",
)


@cache
def slots_of(template: str) -> tuple[str, ...]:
    """The names of the slots in a template, each once."""
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name))


def first_letter_up(text: str) -> str:
    """Capitalise the first letter and leave the rest alone."""
    return text[:1].upper() + text[1:]
