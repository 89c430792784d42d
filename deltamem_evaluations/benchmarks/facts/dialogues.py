"""Chats in which people say things of themselves and others, made afresh from a seed.

    user       I'm Vera and I am learning the piano.
    assistant  Got it.
    user       By the way, Otto lives in Oslo.
    assistant  Good to know.
    user       Vera's best friend is Otto.
    assistant  Noted.

    Where does Vera's best friend live?  Oslo

Who has what is drawn for every dialogue, so nothing can be learnt by heart. Some attributes are
said of one person, whose value the attribute alone tells; others of several, whose values only the
name tells apart.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deltamem_evaluations.benchmarks.facts.attributes import ATTRIBUTES, Attribute
from deltamem_evaluations.benchmarks.facts.people import (
    ACKNOWLEDGEMENTS,
    CORRECTIONS,
    FRIENDS,
    INTRODUCTIONS,
    LEADS,
    NAMES,
    OWN_FRIENDS,
    SMALL_TALK,
)
from deltamem_evaluations.generated import KINDS, SINGLE_HOP, TWO_HOP, UPDATE, least
from deltamem_evaluations.sample import Message

__all__ = [
    "MOST_STATEMENTS",
    "Dialogue",
    "Question",
    "fact_dialogue",
    "new_statement",
]

MOST_STATEMENTS = 24
"""Statements that a dialogue can have: every attribute has more values."""
MOST_SMALL_TALK = 2
AGAIN_SHARE = 1 / 8
"""Share of statements that say what was said of somebody else, with another value."""
OWN_SHARE, LEAD_SHARE = 1 / 3, 1 / 6
"""Share of statements in the first person; share of the others that have an opening."""
PLAIN_SHARE = 1 / 2
"""Share of questions through a friend that say "the best friend of", where they can."""

Has = tuple[str, Attribute]
"""A person, and what is said of him or her."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about a dialogue, whose answer is the bare value."""

    kind: str
    """``single_hop``, ``two_hop`` (through a friend) or ``update`` (the later statement counts)."""
    attribute: str
    shared: bool
    """Whether the attribute is said of several people, so that the name has to tell them apart."""
    text: str
    answer: str
    position: int
    """Number of the statement that names the answer, from 1."""


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Messages, and the questions that can be asked about them."""

    messages: tuple[Message, ...]
    questions: tuple[Question, ...]


def fact_dialogue(
    rng: random.Random,
    kind: str,
    statements: int,
    *,
    names: Sequence[str] = NAMES,
    attributes: int | None = None,
    values: int | None = None,
    small_talk: int = MOST_SMALL_TALK,
) -> Dialogue:
    """Draw a dialogue, with some turns of small talk.

    Args:
        rng: source of everything.
        kind: ``two_hop`` and ``update`` take two of the statements and have one question of their
            own; all other statements are asked about as single hops.
        statements: how many there are, superseded ones and friends included.
        names: who may occur.
        attributes: so many of them, the first ones; None for all.
        values: so many of each attribute, the first ones; None for all.
        small_talk: turns of it at most.

    Raises:
        ValueError: too few or too many statements for this kind.
    """
    known = statements - least(kind) + 1
    if not 1 <= known <= statements <= MOST_STATEMENTS:
        raise ValueError(f"{statements} statements in a dialogue of the kind {kind}")
    facts, people = _facts(rng, known, names, ATTRIBUTES[:attributes])
    drawn = {a.name: iter(rng.sample(a.values[:values], known + 1)) for _, a in facts}
    current = {fact: next(drawn[fact[1].name]) for fact in facts}
    threads = [[_statement(rng, *fact, current[fact])] for fact in facts]
    person, attribute = special = facts[0]
    asker = rng.choice([name for name in people if name != person])
    if kind == UPDATE:
        current[special] = next(drawn[attribute.name])
        threads[0].append(_update(rng, person, attribute, current[special]))
    elif kind == TWO_HOP:
        threads.append([_friendship(rng, asker, person)])
    order = _interleaved(rng, threads)
    place = {thread: position for position, thread in enumerate(order, 1)}  # of its last statement
    having = Counter(attribute.name for _, attribute in facts)
    asked = [(fact, SINGLE_HOP, fact[0], place[number]) for number, fact in enumerate(facts)]
    if kind == UPDATE:
        asked[0] = (special, UPDATE, person, place[0])
    elif kind == TWO_HOP:
        asked.append((special, TWO_HOP, asker, place[0]))
    texts = [iter(thread) for thread in threads]
    return Dialogue(
        messages=_messages(rng, [next(texts[number]) for number in order], small_talk),
        questions=tuple(
            Question(
                kind=of_kind,
                attribute=fact[1].name,
                shared=having[fact[1].name] > 1,
                text=_question(rng, fact[1], name, through_a_friend=of_kind == TWO_HOP),
                answer=current[fact],
                position=position,
            )
            for fact, of_kind, name, position in asked
        ),
    )


def new_statement(rng: random.Random, names: Sequence[str] = NAMES) -> str:
    """A statement for a chat of any people: a fact, sometimes an update or who is whose friend."""
    person, friend = rng.sample(list(names), 2)
    attribute = rng.choice(ATTRIBUTES)
    value = rng.choice(attribute.values)
    kind = rng.choice([SINGLE_HOP, SINGLE_HOP, *KINDS])
    if kind == TWO_HOP:
        return _friendship(rng, person, friend)
    said = _update if kind == UPDATE else _statement
    return said(rng, person, attribute, value)


def _statement(rng: random.Random, person: str, attribute: Attribute, value: str) -> str:
    """One of the sentences that say it, in the first or the third person."""
    if rng.random() < OWN_SHARE:
        return _introduced(rng, person, rng.choice(attribute.own).format(value=value))
    text = rng.choice(attribute.said).format(name=person, value=value)
    return _led(rng, text, person) if rng.random() < LEAD_SHARE else text


def _facts(
    rng: random.Random, known: int, names: Sequence[str], choice: Sequence[Attribute]
) -> tuple[list[Has], list[str]]:
    """Who is said to have what, and these people with one more."""
    attributes: list[Attribute] = []
    for _ in range(known):
        fresh = [attribute for attribute in choice if attribute not in attributes]
        again = bool(attributes) and (not fresh or rng.random() < AGAIN_SHARE)
        attributes.append(rng.choice(attributes if again else fresh))
    fewest = max(attributes.count(attribute) for attribute in attributes)
    other, *people = rng.sample(list(names), rng.randint(fewest, known) + 1)
    facts: list[Has] = []
    for attribute in attributes:
        free = [person for person in people if (person, attribute) not in facts]
        facts.append((rng.choice(free), attribute))
    said = {person for person, _ in facts}
    return facts, [other, *(person for person in people if person in said)]


def _introduced(rng: random.Random, person: str, clause: str) -> str:
    sentence = clause[0].upper() + clause[1:]
    return rng.choice(INTRODUCTIONS).format(name=person, own=clause, Own=sentence)


def _led(rng: random.Random, text: str, person: str) -> str:
    """The statement with an opening; a first word that is no name loses its capital."""
    return rng.choice(LEADS) + (text if text.startswith(person) else text[0].lower() + text[1:])


def _update(rng: random.Random, person: str, attribute: Attribute, value: str) -> str:
    """A statement that takes the place of an earlier one."""
    corrected = rng.choice(CORRECTIONS) + rng.choice(attribute.said)
    return rng.choice([*attribute.changed, corrected]).format(name=person, value=value)


def _friendship(rng: random.Random, person: str, friend: str) -> str:
    """A statement of who is a person's best friend."""
    if rng.random() < OWN_SHARE:
        return _introduced(rng, person, rng.choice(OWN_FRIENDS).format(friend=friend))
    return rng.choice(FRIENDS).format(name=person, friend=friend)


def _question(
    rng: random.Random, attribute: Attribute, person: str, *, through_a_friend: bool
) -> str:
    """A question about a person, or about that person's best friend."""
    text = rng.choice(attribute.asked)
    if not through_a_friend:
        return text.format(name=person)
    # of "the best friend of Vera's job" it is not clear what is the friend's
    plain = "{name}'s" not in text and rng.random() < PLAIN_SHARE
    return text.format(name=f"the best friend of {person}" if plain else f"{person}'s best friend")


def _interleaved(rng: random.Random, threads: Sequence[Sequence[str]]) -> list[int]:
    """Numbers of the threads, one for each statement, in the order in which they are made."""
    order = [number for number, thread in enumerate(threads) for _ in thread]
    rng.shuffle(order)
    return order


def _messages(
    rng: random.Random, statements: Sequence[str], small_talk: int
) -> tuple[Message, ...]:
    """Turns of the user, each answered by the assistant, with small talk between them."""
    turns = [(text, rng.choice(ACKNOWLEDGEMENTS)) for text in statements]
    for talk in rng.sample(SMALL_TALK, rng.randint(0, small_talk)):
        turns.insert(rng.randint(0, len(turns)), talk)
    return tuple(
        {"role": role, "content": content}
        for turn in turns
        for role, content in zip(("user", "assistant"), turn, strict=True)
    )
