"""The sixteen attributes of people in ``bench=facts``, with their values and phrasings.

A value belongs to one attribute alone, is one word, and stands in no phrasing. Of the words that
fit, those were taken that common vocabularies hold whole or nearly so: an answer is short.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ATTRIBUTES", "Attribute"]


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """Something that can be said of a person, in several ways."""

    name: str
    values: tuple[str, ...]
    said: tuple[str, ...]
    """Statements about ``{name}``, who has the ``{value}``."""
    own: tuple[str, ...]
    """Clauses in which a person says the same of himself or herself."""
    changed: tuple[str, ...] = ()
    """Statements by which another value takes the place of an earlier one."""
    asked: tuple[str, ...]


ATTRIBUTES = (
    Attribute(
        name="home",
        values=tuple(
            """Amsterdam Athens Auckland Basel Beijing Berlin Bern Boston Brussels Budapest Cairo
            Calgary Cardiff Chicago Copenhagen Cork Dallas Delhi Denver Detroit Edinburgh Frankfurt
            Geneva Glasgow Hamburg Istanbul Jerusalem Kiev Leeds Leipzig Lima London Lyon Madrid
            Manila Melbourne Miami Milan Montreal Moscow Mumbai Nairobi Naples Oslo Oxford Paris
            Perth Philadelphia Portland Quebec Rome Seattle Seoul Singapore Stockholm Tokyo Toronto
            Vancouver Venice Vienna""".split()
        ),
        said=("{name} lives in {value}.", "{name}'s home is in {value}."),
        own=("I live in {value}", "my home is in {value}"),
        changed=("{name} has moved and now lives in {value}.", "{name} moved to {value}."),
        asked=("Where does {name} live?", "In which city does {name} live?"),
    ),
    Attribute(
        name="birthplace",
        values=tuple(
            """Australia Austria Bolivia Brazil Canada Chile China Cuba Cyprus Denmark Ecuador Egypt
            Estonia Finland France Germany Ghana Hungary Iceland India Indonesia Iran Iraq Israel
            Italy Japan Kenya Latvia Libya Malta Mexico Norway Pakistan Panama Peru Poland Romania
            Russia Scotland Senegal Slovakia Spain Sweden Switzerland Syria Thailand Turkey Ukraine
            Vietnam Wales Yemen Zambia Zimbabwe""".split()
        ),
        said=("{name} was born in {value}.", "{name} grew up in {value}."),
        own=("I was born in {value}", "I grew up in {value}"),
        asked=("Where was {name} born?", "In which country did {name} grow up?"),
    ),
    Attribute(
        name="job",
        values=tuple(
            """baker builder butcher captain chef chemist clerk coach cook dancer dentist designer
            doctor farmer gardener guard guide historian journalist judge lawyer lecturer manager
            miner musician nurse painter photographer pilot poet priest professor programmer
            reporter scientist secretary soldier surgeon tailor teacher translator vet
            writer""".split()
        ),
        said=("{name} works as a {value}.", "{name} is a {value}."),
        own=("I work as a {value}", "I'm a {value}"),
        changed=("{name} has a new job and is a {value} now.", "{name} now works as a {value}."),
        asked=("What does {name} do for a living?", "What is {name}'s job?"),
    ),
    Attribute(
        name="instrument",
        values=tuple(
            """accordion banjo bass bassoon bugle cello clarinet drums fiddle flute guitar harmonica
            harp horn lute lyre mandolin oboe organ piano recorder saxophone sitar triangle trumpet
            tuba viola violin xylophone""".split()
        ),
        said=("{name} is learning the {value}.", "{name} is learning to play the {value}."),
        own=("I am learning the {value}", "I'm learning to play the {value}"),
        changed=(
            "{name} has switched to learning the {value}.",
            "{name} is learning the {value} now.",
        ),
        asked=("What is {name} learning?", "Which instrument is {name} learning?"),
    ),
    Attribute(
        name="sport",
        values=tuple(
            """archery baseball basketball bowling boxing chess cricket croquet curling cycling
            darts diving fencing football golf handball hockey judo karate lacrosse polo poker
            rowing rugby sailing skating skiing soccer softball squash surfing swimming tennis
            volleyball wrestling yoga""".split()
        ),
        said=("{name}'s favourite sport is {value}.", "{name} loves {value} more than any sport."),
        own=("my favourite sport is {value}", "I love {value} more than any sport"),
        changed=("{name} has a new favourite sport: {value}.",),
        asked=("What is {name}'s favourite sport?", "Which sport does {name} love?"),
    ),
    Attribute(
        name="food",
        values=tuple(
            """bacon beans bread burgers cabbage cake cheese chicken chili chocolate cookies curry
            ham hummus lasagna lentils lobster mushrooms noodles pancakes pasta pie pizza popcorn
            porridge potatoes pudding rice salad salmon sandwiches sausages shrimp soup spaghetti
            spinach steak stew sushi tacos toast tofu trout tuna yogurt""".split()
        ),
        said=("{name}'s favourite food is {value}.", "{name} likes to eat {value}."),
        own=("my favourite food is {value}", "I like to eat {value}"),
        changed=("{name} has a new favourite food: {value}.", "{name} now likes to eat {value}."),
        asked=("What is {name}'s favourite food?", "What does {name} like to eat?"),
    ),
    Attribute(
        name="drink",
        values=tuple(
            """beer champagne cider cocoa coffee cognac cola espresso gin juice kefir lemonade mead
            milk rum sherry soda tea water whiskey wine vodka cappuccino tequila brandy""".split()
        ),
        said=("{name} usually drinks {value}.", "{name}'s favourite drink is {value}."),
        own=("I usually drink {value}", "my favourite drink is {value}"),
        changed=("{name} has switched to drinking {value}.", "{name} drinks {value} these days."),
        asked=("What does {name} usually drink?", "What is {name}'s favourite drink?"),
    ),
    Attribute(
        name="colour",
        values=tuple(
            """amber aqua beige black blue bronze brown burgundy charcoal copper coral cream crimson
            cyan emerald gold gray green indigo ivory jade khaki lavender lime magenta maroon navy
            ochre olive orange peach pink plum purple red ruby rust sapphire scarlet silver tan teal
            turquoise violet white yellow""".split()
        ),
        said=("{name}'s favourite colour is {value}.", "The colour that {name} likes is {value}."),
        own=("my favourite colour is {value}", "the colour that I like is {value}"),
        changed=("{name} has a new favourite colour: {value}.",),
        asked=("What is {name}'s favourite colour?", "Which colour does {name} like?"),
    ),
    Attribute(
        name="animal",
        values=tuple(
            """ant bat bear beaver bison buffalo camel cow crab crow deer donkey dove duck eagle
            elephant falcon fox frog goat goose hare hawk horse leopard lion lizard mole monkey
            moose mouse octopus owl panda parrot penguin pig pony rabbit reindeer rhino seal shark
            sheep snail snake spider tiger toad turtle whale wolf worm zebra""".split()
        ),
        said=(
            "{name}'s favourite animal is the {value}.",
            "The animal {name} likes is the {value}.",
        ),
        own=("my favourite animal is the {value}", "the animal I like is the {value}"),
        changed=("{name} has a new favourite animal: the {value}.",),
        asked=("What is {name}'s favourite animal?", "Which animal does {name} like?"),
    ),
    Attribute(
        name="car",
        values=tuple(
            """Bentley BMW Buick Bugatti Chrysler Dacia Dodge Ferrari Fiat Ford Honda Hummer Jaguar
            Jeep Kia Lexus Lincoln Lotus Mazda Mercedes Nissan Pontiac Renault Rover Saab Skoda
            Subaru Suzuki Tesla Toyota Volvo""".split()
        ),
        said=("{name} drives a {value}.", "{name}'s car is a {value}."),
        own=("I drive a {value}", "my car is a {value}"),
        changed=("{name} has a new car, a {value}.", "{name} drives a {value} now."),
        asked=("What does {name} drive?", "Which car does {name} have?"),
    ),
    Attribute(
        name="allergy",
        values=tuple(
            """almonds apples bananas bees carrots cats celery cherries corn dogs dust eggs feathers
            fish garlic gluten grapes grass honey horses latex lemons mold mustard nickel nuts
            onions oranges oats oysters peaches pears peas penicillin pollen rye sesame shellfish
            soy tomatoes wasps wheat wool""".split()
        ),
        said=("{name} is allergic to {value}.", "{name} has an allergy to {value}."),
        own=("I'm allergic to {value}", "I have an allergy to {value}"),
        asked=("What is {name} allergic to?", "Which allergy does {name} have?"),
    ),
    Attribute(
        name="pet",
        values=tuple(
            """Apollo Bandit Blackie Bubbles Buddy Buster Button Caesar Casper Coco Comet Cookie
            Dusty Flash Fluffy Ginger Goldie Hercules Kitty Lucky Merlin Midnight Milo Misty Nemo
            Oreo Patch Peanut Pepper Pickles Pirate Pluto Pumpkin Rascal Rex Rocky Rusty Scout
            Shadow Simba Snowball Socks Sparky Spot Storm Sugar Sunny Twix""".split()
        ),
        said=("{name} has a pet called {value}.", "{name}'s pet is called {value}."),
        own=("I have a pet called {value}", "my pet is called {value}"),
        changed=("{name} has a new pet called {value}.",),
        asked=("What is the name of {name}'s pet?", "What is {name}'s pet called?"),
    ),
    Attribute(
        name="music",
        values=tuple(
            """ambient bluegrass blues choral classical disco dubstep electronic folk funk gospel
            grunge jazz metal opera pop punk rap reggae rock salsa samba ska soul swing tango techno
            trance""".split()
        ),
        said=("{name} listens to {value} music.", "{name} is a fan of {value} music."),
        own=("I listen to {value} music", "I'm a fan of {value} music"),
        changed=("{name} listens to {value} music these days.",),
        asked=("What does {name} listen to?", "Which music does {name} listen to?"),
    ),
    Attribute(
        name="language",
        values=tuple(
            """Arabic Chinese Czech Danish Dutch English French German Greek Hebrew Hungarian
            Italian Japanese Korean Latin Malay Mandarin Norwegian Persian Polish Romanian Russian
            Sanskrit Spanish Swahili Swedish Tamil Thai Turkish Urdu Vietnamese Welsh
            Yiddish""".split()
        ),
        said=("{name} speaks {value}.", "{name}'s language at home is {value}."),
        own=("I speak {value}", "my language at home is {value}"),
        changed=("{name} has switched to speaking {value}.",),
        asked=("Which language does {name} speak?", "What does {name} speak?"),
    ),
    Attribute(
        name="subject",
        values=tuple(
            """accounting anatomy anthropology architecture astronomy biochemistry biology botany
            business chemistry computing dentistry design drama ecology economics education
            engineering ethics film finance forestry genetics geography geology history journalism
            law linguistics literature logic management marketing mathematics mechanics medicine
            nutrition optics philosophy photography physics politics psychology robotics sociology
            statistics theology""".split()
        ),
        said=("{name} studies {value}.", "{name} is a student of {value}."),
        own=("I study {value}", "I'm a student of {value}"),
        changed=("{name} has switched to studying {value}.", "{name} studies {value} now."),
        asked=("What does {name} study?", "Which subject does {name} study?"),
    ),
    Attribute(
        name="collection",
        values=tuple(
            """badges bells books bottles boxes buttons cards coins comics clocks cups dolls fans
            fossils gems hats insects keys knives lamps magazines magnets maps marbles masks medals
            minerals mirrors paintings pens photos pins plates postcards posters puzzles records
            robots ropes shoes spoons stamps stickers stones swords ties tools toys
            watches""".split()
        ),
        said=("{name} collects {value}.", "{name} has a collection of {value}."),
        own=("I collect {value}", "I have a collection of {value}"),
        changed=(
            "{name} collects {value} these days.",
            "{name} has switched to collecting {value}.",
        ),
        asked=("What does {name} collect?", "What is in {name}'s collection?"),
    ),
)
