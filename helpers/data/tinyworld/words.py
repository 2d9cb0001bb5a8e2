"""Names, things and places of the tiny world's word problems.

The last names of each list are kept for the test sets: no training problem and no pre-training
document uses them, so a test problem can show whether a model copies a name it has never read.
"""

SHE = ["Mia", "Anna", "Lena", "Rosa", "Ella", "Nina", "Sara", "Lucy", "Emma", "Ivy", "Kate", "Zoe"]
HE = ["Tom", "Ben", "Max", "Leo", "Sam", "Jack", "Omar", "Paul", "Finn", "Adam", "Luis", "Noah"]
NEW_SHE = ["Priya", "Greta", "Wanda", "Yuki"]
NEW_HE = ["Viktor", "Hugo", "Kofi", "Zane"]

# (plural, singular) of things that one can have, buy, give and lose
THINGS = [
    ("apples", "apple"),
    ("pencils", "pencil"),
    ("stickers", "sticker"),
    ("marbles", "marble"),
    ("books", "book"),
    ("cards", "card"),
    ("cookies", "cookie"),
    ("shells", "shell"),
    ("stamps", "stamp"),
    ("balloons", "balloon"),
    ("eggs", "egg"),
    ("beads", "bead"),
    ("coins", "coin"),
    ("oranges", "orange"),
    ("flowers", "flower"),
    ("toys", "toy"),
]
NEW_THINGS = [("magnets", "magnet"), ("ribbons", "ribbon"), ("acorns", "acorn")]

PACKS = [("bags", "bag"), ("boxes", "box"), ("packs", "pack"), ("baskets", "basket")]

# (verb, unit, per) of work done at a steady rate: "Tom reads 12 pages a day"
RATES = [
    ("reads", "pages", "day", "read"),
    ("bakes", "cakes", "day", "bake"),
    ("walks", "miles", "day", "walk"),
    ("plants", "trees", "hour", "plant"),
    ("paints", "chairs", "hour", "paint"),
    ("types", "lines", "minute", "type"),
    ("picks", "plums", "hour", "pick"),
    ("washes", "cars", "hour", "wash"),
    ("sews", "shirts", "week", "sew"),
    ("writes", "letters", "week", "write"),
]

# (the whole, the members, one part, the other part)
GROUPS = [
    ("A class has", "students", "girls", "boys"),
    ("A farm has", "animals", "cows", "sheep"),
    ("A shop has", "bikes", "red", "blue"),
    ("A park has", "trees", "oaks", "pines"),
    ("A bus has", "seats", "taken", "free"),
    ("A team has", "players", "new", "old"),
    ("A shelf has", "books", "novels", "comics"),
    ("A pond has", "fish", "gold", "silver"),
]
