"""Dialogues that state who is where, made afresh from a seed: the world of ``bench=recall``.

    user       Today Clara is with Hugo.
    assistant  The bus was late.
    user       Today Hugo is in Oslo.
    assistant  Today Mira is in Quito.

Bindings are drawn for every dialogue, so nothing can be learnt by heart; only reading the dialogue,
or remembering it, answers a question about it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from deltamem_evaluations.sample import Message

__all__ = [
    "FILLERS",
    "NAMES",
    "PLACES",
    "UNSEEN_NAMES",
    "Dialogue",
    "Question",
    "dialogue",
]

NAMES = tuple(
    """Ada Alma Amir Anna Anton Ben Boris Carla Carlos Clara Dana Daniel David Diego Dora Edith
    Elena Eli Elsa Emil Emma Eric Erik Eva Felix Fiona Frank Fred Gina Greta Gus Hana Hans
    Harry Helen Henry Hugo Ida Igor Ines Iris Isaac Ivan Jack Jana Jane Jonas Julia Kai Kate
    Kira Lara Laura Lena Leo Lily Linda Lisa Lola Louis Luca Lucy Luis Maja Maria Mark Marta
    Max Maya Mia Mike Mila Mina Mona Nadia Nick Nina Noah Nora Olga Omar Oscar Otto Owen Paul
    Pedro Peter Petra""".split()
)
UNSEEN_NAMES = tuple(
    """Pia Rita Robin Rosa Ruth Sam Sara Sofia Sven Tara Theo Tim Tina Tom Uma Vera Victor Vito
    Wanda Will Yara Yuki Zara Zoe""".split()
)
"""Names that occur only in the test split: no adapter is trained on them."""

PLACES = tuple(
    """Accra Amman Ankara Athens Baku Bari Basel Beirut Bergen Berlin Bern Bilbao Bogota Boston
    Bremen Brno Cairo Cali Cardiff Chicago Cork Dakar Dallas Delhi Denver Dhaka Dijon Doha
    Dresden Dubai Dublin Durban Essen Faro Fez Genoa Geneva Ghent Graz Hanoi Harare Havana
    Houston Izmir Jaipur Kabul Kassel Kiel Kobe Kyoto Lagos Leeds Leipzig Lhasa Lille Lima
    Linz Lisbon London Lyon Madrid Malaga Manila Miami Milan Minsk Mumbai Munich Nairobi
    Nantes Naples Nice Oran Osaka Oslo Padua Paris Perth Porto Prague Quito Rabat Reims Riga
    Rome Rouen Salem Seoul Split Sydney Tallinn Tampa Tartu Tokyo Toledo Toronto Trier Tripoli
    Tunis Turin Turku Ulm Utrecht Venice Verona Vienna Vilnius Warsaw York Zagreb Zurich""".split()
)
FILLERS = (
    "The weather is nice.",
    "I had some tea.",
    "That is good to know.",
    "Let me think.",
    "We should talk more.",
    "It was a long day.",
    "I like this song.",
    "Tell me more.",
    "The bus was late.",
    "Thank you for that.",
    "I read a book.",
    "We cooked some soup.",
    "It may rain later.",
    "The cat is asleep.",
    "Time goes by fast.",
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about a dialogue."""

    kind: str
    """``single_hop``, ``two_hop`` (through a friend) or ``update`` (the later statement counts)."""
    text: str
    answer: str
    """A full sentence, or two where the way leads through a friend."""
    place: str
    """The place that an answer has to name."""


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Messages, and the questions that can be asked about them."""

    messages: tuple[Message, ...]
    questions: tuple[Question, ...]


def is_in(name: str, place: str) -> str:
    """The statement that puts a person in a place."""
    return f"Today {name} is in {place}."


def is_with(name: str, friend: str) -> str:
    """The statement that puts a person beside another."""
    return f"Today {name} is with {friend}."


def dialogue(
    rng: random.Random,
    kinds: Sequence[str],
    *,
    fillers: int = 2,
    names: Sequence[str] = NAMES,
) -> Dialogue:
    """Draw a dialogue.

    Args:
        rng: source of everything.
        kinds: what can be asked, one question each: ``single_hop`` takes one statement, ``two_hop``
            and ``update`` take two. A two-hop dialogue can be asked where the friend is, too.
        fillers: sentences that state nothing.
        names: who may occur.

    Raises:
        ValueError: more people are needed than there are names.
    """
    people = rng.sample(list(names), len(kinds) + kinds.count("two_hop"))
    places = rng.sample(PLACES, len(kinds) + kinds.count("update"))
    threads: list[list[str]] = [[rng.choice(FILLERS)] for _ in range(fillers)]
    questions: list[Question] = []
    for kind in kinds:
        name, place = people.pop(), places.pop()
        if kind == "two_hop":
            friend = people.pop()
            threads += [[is_with(name, friend)], [is_in(friend, place)]]
            questions += _about_a_friend(name, friend, place)
            continue
        here = is_in(name, place)
        threads.append([is_in(name, places.pop()), here] if kind == "update" else [here])
        where = f"Where is {name} today?"
        questions.append(Question(kind=kind, text=where, answer=here, place=place))
    return Dialogue(messages=_interleave(rng, threads), questions=tuple(questions))


def _about_a_friend(name: str, friend: str, place: str) -> tuple[Question, Question]:
    """The question that leads through a friend, and the one about the friend."""
    there = is_in(friend, place)
    return (
        Question(
            kind="two_hop",
            text=f"Where is the friend of {name} today?",
            answer=f"{is_with(name, friend)} {there}",
            place=place,
        ),
        Question(kind="single_hop", text=f"Where is {friend} today?", answer=there, place=place),
    )


def _interleave(rng: random.Random, threads: Sequence[Sequence[str]]) -> tuple[Message, ...]:
    """One conversation in which each thread keeps its order; the two speakers take turns."""
    order = [i for i, thread in enumerate(threads) for _ in thread]
    rng.shuffle(order)
    waiting = [iter(thread) for thread in threads]
    return tuple(
        {"role": ("user", "assistant")[turn % 2], "content": next(waiting[i])}
        for turn, i in enumerate(order)
    )
