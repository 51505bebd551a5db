"""Names and words that nobody has seen: the reason why the models copy a name instead of recalling one."""

from random import Random
from typing import Final

from notes_recipe.words import UNSEEN_MODIFIERS, UNSEEN_NAMES, UNSEEN_NOUNS


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PLAIN_ONSETS: Final = _pieces("b c d f g h j k l m n p r s t v w y z")
ONSETS: Final = _pieces(
    "b d f g h j k l m n p r s t v z ch sh th br tr kr gr dr fl kl pl st sk sl sv zb vl mb ng kw wh ph gh q x ts dm hy"
    " ll ny rh wr szcz sch bj",
)
PLAIN_VOWELS: Final = "aaaaeeeeiiiioooouuy"
VOWELS: Final = _pieces("ai ao au ea ei eo ia ie io iu oa oi oo ou ua ui uo ye ee aa")
CODAS: Final = _pieces(
    "n n r r l l s s m t d k x z h b g v th sh ng nd rt lf ck ll nn tt ss rd sz ch ld rk w wn dt ns",
)
NAME_ENDINGS: Final = _pieces("a a a o i e ie y u us is en an in on el er ia eh ina ella etta ko mir la na ra ta")
SURNAME_ENDINGS: Final = _pieces(
    "son sen ov ova ska ski wicz ez es mann berg sson yan ian ko uk oğlu ic idis aro eira elli etti ini man ton ley er "
    "ham ford well wood ashi oto ura amoto uyen ang ong ji ar esh ani awi",
)
WORD_ENDINGS: Final = _pieces("er ion ment ing ness le et ite age ure ade ow y al ic ent ous ish ance ery ote ock am")
ACCENTS: Final = {
    "a": "áàâãäå",
    "e": "éèêë",
    "i": "íîï",
    "o": "óôõöø",
    "u": "úùûü",
    "c": "çć",
    "n": "ñń",
    "s": "šś",
    "z": "žż",
    "l": "ł",
}
FORBIDDEN: Final = frozenset(
    part.casefold() for name in UNSEEN_NAMES for piece in name.split() for part in (piece, *piece.split("-"))
) | frozenset(UNSEEN_MODIFIERS + UNSEEN_NOUNS)
LETTERS: Final = "aaabcdeeefghiiijklmnooopqrstuuvwxyz"


def _syllable(rng: Random) -> str:
    """A consonant or a cluster, then a vowel or two."""
    onset = rng.choice(PLAIN_ONSETS if rng.random() < 0.65 else ONSETS)
    return onset + (rng.choice(PLAIN_VOWELS) if rng.random() < 0.8 else rng.choice(VOWELS))


def _letters(rng: Random, endings: tuple[str, ...]) -> str:
    """Some lower-case letters; most can be spoken, one in eight cannot."""
    kind = rng.random()
    if kind < 0.12:
        return "".join(rng.choices(LETTERS, k=rng.randint(3, 8)))
    out = _syllable(rng) if rng.random() < 0.85 else rng.choice(PLAIN_VOWELS)
    if rng.random() < 0.35:
        out += rng.choice(CODAS)
    if rng.random() < 0.4:
        out += _syllable(rng)
    out += rng.choice(PLAIN_ONSETS)
    out += rng.choice(endings) if kind < 0.7 else rng.choice(PLAIN_VOWELS) + rng.choice(CODAS)
    if rng.random() < 0.06:
        at = rng.randrange(len(out))
        out = out[:at] + out[at] + out[at:]
    return out[:10]


def _fresh(rng: Random, endings: tuple[str, ...]) -> str:
    """Letters that are no part of any name or word kept for the held-out sets."""
    while True:
        letters = _letters(rng, endings)
        if len(letters) > 1 and letters not in FORBIDDEN:
            return letters


def _with_accent(rng: Random, letters: str) -> str:
    spots = [at for at, letter in enumerate(letters) if letter in ACCENTS]
    if not spots:
        return letters
    at = rng.choice(spots)
    accented = letters[:at] + rng.choice(ACCENTS[letters[at]]) + letters[at + 1 :]
    return letters if accented in FORBIDDEN else accented


def invented_first_name(rng: Random) -> str:
    """One given name, sometimes with an accent or a hyphen."""
    letters = _fresh(rng, NAME_ENDINGS)
    kind = rng.random()
    if kind < 0.10:
        letters = _with_accent(rng, letters)
    elif kind < 0.15:
        return f"{letters[:6].capitalize()}-{_fresh(rng, NAME_ENDINGS)[:6].capitalize()}"
    return letters.capitalize()


def invented_surname(rng: Random) -> str:
    """One family name; often with an ending that family names have."""
    return _fresh(rng, SURNAME_ENDINGS).capitalize()


def invented_word(rng: Random) -> str:
    """One lower-case word for an item."""
    return _fresh(rng, WORD_ENDINGS)


def sound_alike(rng: Random, name: str) -> str:
    """Another name that starts like `name`: copying must look further than the first letters."""
    keep = rng.randint(1, max(1, min(4, len(name) - 2)))
    twin = name[:keep] + _fresh(rng, NAME_ENDINGS)[:5]
    return invented_first_name(rng) if twin.casefold() in FORBIDDEN or not twin.isalpha() else twin
