"""The objects that the scenes show: concrete things with a name of one or two words.

The table holds the names that the `emoji` package gives them (CLDR short names). Every entry is
one code point (with or without a variation selector), has art in both styles, and can be told
from the others at about 16 pixels (the first table) or 28 pixels (the second). Faces, people,
symbols, flags, clock times and mere variants of another entry are left out by choice.

The order is part of the data: a change needs a new data version.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from runner.errors import DataError

_CLEAR = (
    # animals
    "monkey, gorilla, dog, poodle, fox, raccoon, cat, lion, leopard, horse, unicorn, zebra, deer, "
    "bison, ox, cow, pig, ram, ewe, goat, camel, llama, giraffe, elephant, mammoth, rhinoceros, "
    "hippopotamus, mouse, rabbit, beaver, hedgehog, bat, bear, koala, panda, sloth, kangaroo, "
    "turkey, rooster, penguin, eagle, duck, swan, owl, flamingo, peacock, parrot, frog, crocodile, "
    "turtle, lizard, snake, sauropod, whale, dolphin, fish, shark, octopus, crab, lobster, squid, "
    "snail, butterfly, bug, ant, honeybee, beetle, spider, scorpion, "
    # plants
    "rose, sunflower, tulip, lotus, cactus, mushroom, shamrock, bouquet, hibiscus, "
    # food
    "grapes, melon, watermelon, lemon, banana, pineapple, mango, pear, peach, cherries, "
    "strawberry, blueberries, tomato, coconut, avocado, eggplant, carrot, broccoli, garlic, "
    "onion, peanuts, bread, croissant, pretzel, pancakes, waffle, bacon, hamburger, pizza, "
    "sandwich, taco, burrito, egg, popcorn, spaghetti, sushi, doughnut, cookie, cupcake, pie, "
    "candy, lollipop, teapot, "
    # vehicles
    "locomotive, bus, ambulance, taxi, tractor, motorcycle, bicycle, skateboard, sailboat, canoe, "
    "speedboat, ship, airplane, helicopter, rocket, satellite, parachute, "
    # buildings and places
    "house, castle, factory, church, hut, tent, fountain, volcano, "
    # sport and play
    "basketball, volleyball, baseball, tennis, kite, trophy, balloon, bullseye, joystick, skis, "
    # clothes
    "glasses, necktie, jeans, scarf, gloves, coat, socks, dress, kimono, backpack, crown, ring, "
    # music
    "saxophone, accordion, guitar, trumpet, violin, banjo, drum, microphone, radio, bell, "
    # things of the house and the workshop
    "telephone, battery, laptop, printer, television, camera, candle, scroll, envelope, package, "
    "pencil, briefcase, scissors, key, hammer, axe, dagger, bomb, shield, wrench, magnet, ladder"
)

_MORE = (
    # animals
    "orangutan, wolf, tiger, moose, donkey, water buffalo, boar, rat, chipmunk, otter, skunk, "
    "badger, chicken, hatching chick, baby chick, bird, dove, dodo, feather, goose, dragon, "
    "t rex, spouting whale, seal, tropical fish, blowfish, spiral shell, coral, jellyfish, "
    "shrimp, oyster, lady beetle, cockroach, spider web, mosquito, fly, worm, paw prints, "
    # plants
    "cherry blossom, wilted flower, blossom, hyacinth, seedling, potted plant, evergreen tree, "
    "deciduous tree, palm tree, herb, maple leaf, fallen leaf, empty nest, chestnut, "
    # food
    "tangerine, red apple, green apple, kiwi fruit, olive, potato, hot pepper, bell pepper, "
    "cucumber, leafy green, beans, ginger root, pea pod, baguette bread, bagel, "
    "cheese wedge, poultry leg, french fries, hot dog, tamale, falafel, fondue, "
    "green salad, butter, salt, canned food, bento box, rice cracker, rice ball, cooked rice, "
    "curry rice, steaming bowl, oden, fried shrimp, moon cake, dango, dumpling, fortune cookie, "
    "takeout box, ice cream, birthday cake, shortcake, chocolate bar, custard, "
    "honey pot, baby bottle, hot beverage, sake, wine glass, cocktail glass, tropical drink, "
    "beer mug, tumbler glass, bubble tea, beverage box, mate, ice, chopsticks, spoon, "
    "kitchen knife, jar, amphora, "
    # vehicles and the road
    "railway car, bullet train, light rail, monorail, tram car, trolleybus, minibus, fire engine, "
    "police car, automobile, pickup truck, delivery truck, articulated lorry, racing car, "
    "motor scooter, manual wheelchair, motorized wheelchair, auto rickshaw, kick scooter, "
    "roller skate, oil drum, fuel pump, wheel, anchor, ring buoy, passenger ship, ferry, "
    "motor boat, small airplane, seat, aerial tramway, flying saucer, "
    # buildings and places
    "mountain, desert island, stadium, classical building, brick, rock, wood, "
    "office building, bank, hospital, hotel, convenience store, school, japanese castle, "
    "tokyo tower, mosque, hindu temple, synagogue, shinto shrine, kaaba, carousel horse, "
    "playground slide, ferris wheel, roller coaster, barber pole, circus tent, moai, "
    # sky
    "crescent moon, sun, ringed planet, star, cloud, tornado, rainbow, snowman, comet, "
    "fire, droplet, umbrella, closed umbrella, snowflake, "
    # sport and play
    "christmas tree, firecracker, party popper, confetti ball, pine decoration, carp streamer, "
    "wind chime, ribbon, wrapped gift, admission tickets, military medal, "
    "sports medal, soccer ball, softball, american football, rugby football, flying disc, bowling, "
    "cricket game, field hockey, ice hockey, lacrosse, ping pong, badminton, boxing glove, "
    "goal net, ice skate, fishing pole, diving mask, running shirt, sled, curling stone, yo yo, "
    "water pistol, crystal ball, magic wand, video game, slot machine, game die, puzzle piece, "
    "teddy bear, pinata, mirror ball, nesting dolls, chess pawn, framed picture, artist palette, "
    "thread, sewing needle, yarn, knot, "
    # clothes
    "sunglasses, goggles, lab coat, safety vest, t shirt, sari, briefs, shorts, bikini, purse, "
    "handbag, clutch bag, shopping bags, thong sandal, running shoe, hiking boot, "
    "ballet shoes, hair pick, top hat, graduation cap, billed cap, military helmet, prayer beads, "
    "lipstick, gem stone, "
    # music and machines
    "megaphone, postal horn, studio microphone, headphone, musical keyboard, long drum, maracas, "
    "flute, mobile phone, telephone receiver, pager, fax machine, electric plug, desktop computer, "
    "keyboard, computer mouse, trackball, floppy disk, optical disk, abacus, movie camera, "
    "film frames, film projector, clapper board, video camera, videocassette, light bulb, "
    "flashlight, diya lamp, "
    # paper, office and money
    "closed book, open book, books, notebook, newspaper, bookmark, label, money bag, coin, "
    "dollar banknote, credit card, receipt, outbox tray, postbox, fountain pen, pen, paintbrush, "
    "crayon, file folder, spiral notepad, card index, bar chart, clipboard, pushpin, paperclip, "
    "straight ruler, triangular ruler, file cabinet, wastebasket, locked, old key, "
    # tools, science and the house
    "pick, crossed swords, boomerang, carpentry saw, screwdriver, gear, clamp, balance scale, "
    "white cane, link, hook, toolbox, alembic, test tube, petri dish, dna, microscope, telescope, "
    "satellite antenna, syringe, pill, adhesive bandage, crutch, stethoscope, door, mirror, "
    "window, bed, chair, toilet, plunger, shower, bathtub, mouse trap, razor, lotion bottle, "
    "safety pin, broom, basket, bucket, soap, toothbrush, sponge, fire extinguisher, "
    "shopping cart, coffin, headstone, funeral urn, hourglass done, watch, alarm clock, "
    "stopwatch, timer clock, mantelpiece clock, compass, bellhop bell, luggage"
)

# Names that read badly after "a": plurals and things without number.
_SOME = (
    "grapes, cherries, blueberries, peanuts, pancakes, skis, glasses, jeans, gloves, socks, "
    "scissors, beans, french fries, chopsticks, paw prints, admission tickets, nesting dolls, "
    "sunglasses, goggles, briefs, shorts, shopping bags, ballet shoes, prayer beads, maracas, "
    "film frames, books, crossed swords, broccoli, garlic, bread, bacon, popcorn, spaghetti, "
    "sushi, leafy green, ginger root, baguette bread, fondue, green salad, butter, salt, "
    "canned food, cooked rice, curry rice, oden, fried shrimp, dango, ice cream, "
    "custard, sake, bubble tea, mate, ice, coral, herb, wood, fire, thread, yarn, dna, soap, "
    "badminton, ping pong, bowling, field hockey, ice hockey, lacrosse, luggage, falafel, "
    "light rail"
)

_ARTICLE_EXCEPTIONS = ("unicorn", "hourglass")  # sounds that the first letter does not show

_MISLEADING_NAMES = {"locked": "padlock", "hourglass done": "hourglass", "tennis": "tennis ball"}


@dataclass(frozen=True)
class Thing:
    """One kind of object: what captions call it and the character that pictures it."""

    name: str  # lower case, one or two words
    character: str  # one code point, without variation selector
    some: bool  # "some grapes" instead of "a grapes"

    def phrase(self, size: str = "") -> str:
        """The object with article and size, for example "an ox" or "a small ox"."""
        words = f"{size} {self.name}" if size else self.name
        if self.some:
            return f"some {words}"
        return f"{article(words)} {words}"


def article(words: str) -> str:
    """The indefinite article that goes before `words`."""
    vowel = words.startswith(tuple("aeiou")) != words.startswith(_ARTICLE_EXCEPTIONS)
    return "an" if vowel else "a"


def plain_name(short_name: str) -> str:
    """The name in lower-case ASCII words of an entry such as ":T-Rex:" or ":piñata:"."""
    text = unicodedata.normalize("NFKD", short_name.strip(":")).encode("ascii", "ignore").decode()
    return text.replace("_", " ").replace("-", " ").lower()


def things(count: int | None = None) -> tuple[Thing, ...]:
    """The first `count` objects of the table, or all of them.

    Raises:
        DataError: the `emoji` package does not know one of the names.
    """
    import emoji

    names = f"{_CLEAR}, {_MORE}".split(", ")[:count]
    without_article = set(_SOME.split(", "))
    known = {
        plain_name(entry["en"]): character.removesuffix("\N{VARIATION SELECTOR-16}")
        for character, entry in emoji.EMOJI_DATA.items()
        if entry["status"] == emoji.STATUS["fully_qualified"]
    }
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"the installed `emoji` package has no entry named {missing[0]!r}: "
            "install the pinned requirements of this project (make install) and try again"
        )
    return tuple(
        Thing(_MISLEADING_NAMES.get(name, name), known[name], some=name in without_article)
        for name in names
    )
