"""Words of the prompts for a real language model, in two halves: one that agents see, one that they don't.

All are single tokens with a leading space for the tokenizer of the default model, which a test checks. Words that
another tokenizer splits are refused when prompts are drawn.
"""

from __future__ import annotations

# fmt: off
NAMES = (
    "Mary", "John", "Anna", "Paul", "Lisa", "Mark", "Sarah", "Peter", "Emma", "David", "Laura", "James", "Alice",
    "Simon", "Julia", "Brian", "Karen", "Kevin", "Helen", "Frank", "Diana", "Oscar", "Nancy", "Henry", "Clara",
    "Bruce", "Grace", "Tom", "Ruth", "Jack", "Jane", "Ralph", "Susan", "Steve", "Maria", "Leon", "Kate", "Adam",
    "Lucy", "Sam",
)
HIDDEN_NAMES = (
    "Michael", "Robert", "Daniel", "Thomas", "Jennifer", "Linda", "Elizabeth", "Barbara", "Rachel", "Martin", "Eric",
    "Jason", "Ryan", "Andrew", "George", "Charles", "Edward", "Richard", "William", "Joseph", "Patrick", "Max",
    "Sophie", "Olivia", "Hannah", "Emily", "Rebecca", "Michelle", "Amy", "Anne", "Rose", "Charlotte", "Victoria",
    "Catherine", "Margaret", "Eleanor", "Philip", "Stephen", "Scott", "Chris", "Nick", "Alan", "Roger", "Harry",
    "Arthur", "Albert", "Walter", "Jessica", "Matthew", "Samuel",
)
PLACES = (
    "store", "park", "school", "office", "beach", "station", "market", "garden", "museum", "library", "river", "hotel",
    "forest", "farm", "zoo", "gym",
)
HIDDEN_PLACES = (
    "restaurant", "hospital", "church", "house", "theater", "airport", "lake", "village", "mall", "bank", "shop",
    "club", "studio", "castle", "bar",
)
OBJECTS = (
    "drink", "book", "ring", "letter", "ball", "key", "basket", "flower", "snack", "phone", "coin", "computer", "bag",
    "hat", "cup", "bone", "lamp",
)
HIDDEN_OBJECTS = (
    "camera", "gift", "card", "pen", "map", "watch", "box", "bottle", "guitar", "toy", "ticket", "necklace", "shirt",
    "jacket", "towel", "plate", "sandwich", "cake",
)
EVENTS = (
    "war", "conflict", "siege", "battle", "campaign", "voyage", "journey", "struggle", "dispute", "plague", "project",
    "program", "study", "tour", "festival", "construction", "debate", "mission",
)
HIDDEN_EVENTS = (
    "expedition", "pilgrimage", "reign", "famine", "drought", "trial", "exhibition", "investigation", "dynasty",
    "partnership", "raid", "operation", "strike", "migration", "revolt", "rebellion", "occupation",
)
# singular and plural
NOUNS = (
    ("key", "keys"), ("author", "authors"), ("teacher", "teachers"), ("student", "students"), ("doctor", "doctors"),
    ("farmer", "farmers"), ("boy", "boys"), ("girl", "girls"), ("dog", "dogs"), ("car", "cars"), ("house", "houses"),
    ("tree", "trees"), ("road", "roads"), ("letter", "letters"), ("window", "windows"), ("table", "tables"),
    ("bird", "birds"), ("king", "kings"), ("soldier", "soldiers"), ("singer", "singers"), ("lawyer", "lawyers"),
    ("player", "players"), ("guest", "guests"), ("friend", "friends"), ("brother", "brothers"), ("parent", "parents"),
    ("guard", "guards"), ("nurse", "nurses"),
)
HIDDEN_NOUNS = (
    ("cabinet", "cabinets"), ("book", "books"), ("pilot", "pilots"), ("driver", "drivers"), ("cat", "cats"),
    ("river", "rivers"), ("bridge", "bridges"), ("picture", "pictures"), ("door", "doors"), ("chair", "chairs"),
    ("horse", "horses"), ("queen", "queens"), ("actor", "actors"), ("painter", "painters"), ("writer", "writers"),
    ("manager", "managers"), ("worker", "workers"), ("neighbor", "neighbors"), ("cousin", "cousins"),
    ("sister", "sisters"), ("officer", "officers"), ("chef", "chefs"), ("customer", "customers"),
    ("senator", "senators"), ("surgeon", "surgeons"), ("architect", "architects"), ("minister", "ministers"),
)
# fmt: on
