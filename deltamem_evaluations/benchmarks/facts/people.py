"""Who talks in ``bench=facts``, how people are introduced, and what is said between the facts."""

from __future__ import annotations

__all__ = [
    "ACKNOWLEDGEMENTS",
    "CORRECTIONS",
    "FRIENDS",
    "INTRODUCTIONS",
    "LEADS",
    "NAMES",
    "OWN_FRIENDS",
    "SMALL_TALK",
    "UNSEEN_NAMES",
]

NAMES = tuple(
    """Abigail Ada Adam Agnes Alan Albert Alex Alfred Alice Alma Amanda Amelia Amir Amy Andrea
    Andrew Angela Anna Anne Anthony Anton Arthur Audrey Barbara Beatrice Ben Benjamin Bernard Beth
    Betty Bill Bob Brandon Brian Bruce Camilla Carl Carla Carlos Carmen Caroline Catherine Cecilia
    Charles Charlotte Chloe Chris Christina Christopher Clara Claire Claudia Colin Connor Craig
    Cynthia Dana Daniel Darren David Deborah Dennis Derek Diana Diego Dominic Donald Donna Dora
    Doris Dorothy Douglas Dylan Edgar Edith Edward Edwin Eleanor Elena Eli Elizabeth Ella Ellen
    Elliot Elsa Emil Emily Emma Eric Erica Ernest Esther Ethan Eva Evan Evelyn Fatima Fiona Frances
    Frank Fred Frederick Gabriel Gary Gavin George Gerald Gloria Gordon Grace Graham Greg Greta
    Hannah Harold Harriet Harry Harvey Hassan Heather Hector Helen Henry Herbert Howard Hugh Hugo
    Ian Ibrahim Ida Igor Irene Iris Isaac Isabel Ivan Jack Jacob James Jane Janet Jason Jeff
    Jennifer Jeremy Jerry Jessica Jim Joan Joe Johanna John Jonas Jonathan Joseph Josh Joyce Juan
    Judith Julia Julian Justin Karen Karl Kate Katherine Keith Kelly Ken Kevin Kim Kyle Lara Larry
    Laura Lauren Leah Leon Leonard Lewis Linda Lisa Louis Louise Lucas Lucy Luis Luke Lydia Margaret
    Maria Marie Mark Martha Martin Mary Matthew Maya Megan Melissa Michael Miguel Monica Nadia Nancy
    Naomi Nathan Neil Nicholas Nicole Nina Noah Nora Norman""".split()
)
UNSEEN_NAMES = tuple(
    """Oliver Olivia Oscar Otto Owen Pamela Patricia Patrick Paul Paula Pedro Peter Philip Phoebe
    Rachel Ralph Raymond Rebecca Richard Robert Roger Ronald Rosa Ruth Ryan Samuel Sandra Sarah
    Sebastian Sharon Simon Sofia Sophie Stanley Stella Stephen Steven Susan Theo Theresa Thomas Tim
    Timothy Tom Ursula Vera Veronica Victor Vincent Walter Wendy William Yusuf Zoe""".split()
)
"""Names that occur only in the test split: no adapter is trained on them."""

INTRODUCTIONS = (
    "I'm {name} and {own}.",
    "My name is {name} and {own}.",
    "My name is {name}. {Own}.",
    "{name} here. {Own}.",
)
"""A person speaks of himself or herself; ``{Own}`` is the clause as a sentence."""
LEADS = ("By the way, ", "You should know that ", "I heard that ")
"""Openings of some statements, which go on with a name or an article."""
CORRECTIONS = ("Sorry, I was wrong. ", "A correction: ")
"""Openings of a statement that takes the place of an earlier one."""
FRIENDS = (
    "{name}'s best friend is {friend}.",
    "The best friend of {name} is {friend}.",
    "{friend} is the best friend of {name}.",
)
OWN_FRIENDS = ("my best friend is {friend}", "{friend} is my best friend")

ACKNOWLEDGEMENTS = (
    "Got it.",
    "Noted.",
    "Okay, noted.",
    "Thanks, I'll remember that.",
    "Good to know.",
    "I see.",
    "Understood.",
    "All right.",
)
"""Answers to a statement; the first is the one that is learnt."""
SMALL_TALK = (
    ("It's raining again today.", "Oh dear."),
    ("I slept well last night.", "Glad to hear that."),
    ("The bus was late this morning.", "That happens."),
    ("What a long day!", "Take it easy."),
    ("I'm looking forward to the weekend.", "Sounds nice."),
    ("The weather is lovely.", "Enjoy it!"),
    ("Time goes by so fast.", "It does."),
    ("I need a short break.", "Of course."),
    ("How are you?", "I'm fine, thanks."),
    ("It's getting late.", "Indeed."),
    ("Traffic was terrible.", "Sorry to hear that."),
    ("Let me think for a moment.", "Sure."),
    ("I watched a good show yesterday.", "Sounds fun."),
    ("It's good to talk to you.", "Likewise."),
    ("I'm a little tired.", "Get some rest."),
)
"""Turns of the user and the assistant that state nothing."""
