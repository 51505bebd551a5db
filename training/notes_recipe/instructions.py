"""How people ask for the summary: thousands of wordings, so that one never seen is no surprise."""

from random import Random
from typing import Final

from notes_recipe.chat import Message

ASK: Final = (
    "Summarise",
    "Summarize",
    "Sum up",
    "Please summarise",
    "Please sum up",
    "Can you summarise",
    "Condense",
    "Recap",
    "Boil down",
    "Give me a summary of",
    "Write a short summary of",
    "Read",
    "Look at",
    "Could you sum up",
    "I need a summary of",
)
WHAT: Final = (
    "this meeting note",
    "the meeting note",
    "the note",
    "this note",
    "my notes",
    "these notes",
    "the notes below",
    "the minutes",
    "the meeting",
    "this meeting",
    "the text",
    "the following note",
    "the call",
)
FORM: Final = (
    "",
    "",
    "",
    " in one line",
    " briefly",
    " for my boss",
    " as decision, owner and deadline",
    ": decision, owner, deadline",
    " with decision, owner and deadline",
    " and name the decision, who owns it and when it is due",
    " and tell me what was decided, by whom it will be done and by when",
    " as what, who and when",
    " in a few words",
    " and do not invent anything",
    ", short please",
)
WHOLE: Final = (
    "What is the outcome?",
    "What came out of this?",
    "What was decided, who does it and by when?",
    "Give the decision, the owner and the deadline.",
    "Extract the decision, the owner and the deadline.",
    "Decision, owner, deadline?",
    "Who does what by when?",
    "List the action item.",
    "Find the action, the person and the date.",
    "Short version, please.",
    "Name the decision, the owner and the deadline, nothing else.",
    "Tell me the result of the meeting.",
    "Who has to do what?",
    "Action item?",
)
SYSTEM: Final = (
    "You summarise meeting notes.",
    "You are a helpful assistant.",
    "You are a helpful assistant that summarises meeting notes.",
    "Answer with the decision, the owner and the deadline.",
    "You turn notes into decisions.",
    "Be brief.",
)
END_MARK: Final = (".", ".", ".", ":", "", "!", "?")


def instruction(rng: Random) -> str:
    """One wording."""
    if rng.random() < 0.3:
        return rng.choice(WHOLE)
    return rng.choice(ASK) + " " + rng.choice(WHAT) + rng.choice(FORM) + rng.choice(END_MARK)


def messages_for(rng: Random, note: str) -> tuple[Message, ...]:
    """The turns that carry a note and, most times, an instruction: before it, after it or as the system turn."""
    place = rng.random()
    gap = rng.choice(("\n", "\n", "\n\n", " "))
    if place < 0.10:
        return (Message("user", note),)
    if place < 0.65:
        user = Message("user", instruction(rng) + gap + note)
    elif place < 0.80:
        user = Message("user", note + gap + instruction(rng))
    else:
        text = rng.choice(SYSTEM) if rng.random() < 0.6 else instruction(rng)
        return (Message("system", text), Message("user", note))
    if rng.random() < 0.15:
        return (Message("system", rng.choice(SYSTEM)), user)
    return (user,)
