"""Writes orders.csv and agent_tasks.csv beside itself, the same bytes each time: `python data/make_tasks.py`.

The handbook, notes.csv, is written by hand. This script reads it and stops if a fact that it asks about is not there.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
SEED = 12
KINDS = ("order", "arithmetic", "note", "order+arithmetic", "note+arithmetic")
COUNTS = {"shots": (1, 1, 2, 2, 2), "dev": (8,) * 5, "test": (24,) * 5}  # tasks per split, in the order of KINDS
NUM_ORDERS = {"shots": 5, "dev": 15, "test": 40}  # splits share no order, so that no shot tells an answer

# The shop

MODELS = {
    "Brisa 1.0": ("kettle", "27.50"),
    "Brisa 1.7": ("kettle", "34.90"),
    "Nuvia 1.5": ("kettle", "49.90"),
    "Mola 40": ("grinder", "54.00"),
    "Mola 64": ("grinder", "119.00"),
    "Tarka 12": ("grinder", "39.90"),
    "Libra 2": ("scale", "17.90"),
    "Libra 5": ("scale", "22.40"),
}
FREE_FROM = Decimal(60)
POSTAGE = {1: "4.50", 2: "6.90", 3: "9.80"}
DELIVERY_DAYS = {1: 2, 2: 4, 3: 7}
ZONES = {"Belgium": 1, "Luxembourg": 1, "Netherlands": 1, "Austria": 2, "France": 2, "Germany": 2}  # all others: 3
CUSTOMERS = {
    "Belgium": "Lotte Verdonckx, Seppe Branders, Noor Casteleyn, Wout Haverals, Elke Moerdijck, Joran Pittevils",
    "Luxembourg": "Carlo Weisgerber, Mady Thillens, Josy Kieffels, Tessy Brandenbour, Fernand Schoos",
    "Netherlands": "Sanne Wijkstra, Bram Oldenkotte, Femke Rietdijk, Jelle Noordhof, Tjitske Zandvoort, Daan Kuipstra",
    "Austria": "Vroni Haslacher, Xaver Moosgruber, Resi Tannwald, Korbinian Ebnauer, Burgi Lechthaler",
    "France": "Maëlle Corvaisier, Titouan Brésillon, Solène Vaucourt, Anaïs Pelletrat, Loïc Trémadec",
    "Germany": "Imke Harmsdorf, Torben Quellmann, Wiebke Lüdersen, Ansgar Rehfeldt, Frauke Bollwinkel",
    "Denmark": "Signe Rosenlykke, Asger Tvedholm, Mette Birkshøj, Villads Krogsbæk",
    "Finland": "Aino Saarimäki, Veikko Lumijoki, Tuuli Kivirinta, Eero Haapasuo",
    "Ireland": "Aoife Kilbrannan, Cormac Tullyross, Niamh Dunlavey, Fiachra Moyhill",
    "Italy": "Ginevra Montaldi, Ruggero Fossalta, Nives Carpaneto, Duilio Serravezza",
    "Poland": "Bożena Wierzbowik, Ziemowit Jaworzec, Halina Kłosińska, Gniewko Borowiak",
    "Portugal": "Graça Vilarelho, Telmo Quintanal, Benedita Sobreiral, Duarte Figueirosa",
    "Spain": "Itziar Olabarrieta, Nuño Valdecasas, Remedios Carrascal, Breixo Loureda",
}
TODAY = date(2026, 3, 20)
HOLIDAYS = {date(2025, 12, 25), date(2025, 12, 26), date(2026, 1, 1)}


@dataclass(frozen=True)
class Order:
    """One row of orders.csv; one model per order, dates in ISO form."""

    order_id: str
    customer: str
    product: str
    model: str
    quantity: int
    unit_price_eur: str
    postage_eur: str
    status: str
    ordered_on: str
    delivered_on: str
    country: str

    @property
    def price(self) -> Decimal:
        """The price of one piece."""
        return Decimal(self.unit_price_eur)


def add_working_days(start: date, num: int) -> date:
    """Return the working day that comes `num` working days after `start`, or after the next one if it is none."""
    day = start
    while True:
        if day.weekday() < 5 and day not in HOLIDAYS:
            if num == 0:
                return day
            num -= 1
        day += timedelta(days=1)


def make_orders(rng: random.Random) -> list[Order]:
    """Return 60 orders by rising date and number, in line with the postage and delivery times of the handbook."""
    statuses = ["delivered"] * 30 + ["returned"] * 8 + ["in repair"] * 7
    rng.shuffle(statuses)
    days = sorted(rng.sample([date(2025, 6, 2) + timedelta(days=num) for num in range(270)], len(statuses)))
    # Zone 3 takes long enough for a parcel to be under way since the 13th; the nearer ones would be there by now.
    days += [date(2026, 3, day) for day in (13, 14, 15, 17, 17, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20)]
    statuses += ["shipped"] * 8 + ["packed"] * 7
    numbers = sorted(rng.sample(range(10400, 39900), len(days)))
    people = [(name, country) for country, names in CUSTOMERS.items() for name in names.split(", ")]
    rng.shuffle(people)
    orders = []
    for number, day, status in zip(numbers, days, statuses, strict=True):
        is_far = status == "shipped" and day < date(2026, 3, 17)
        person = next(one for one in people if not is_far or one[1] not in ZONES)
        people.remove(person)
        zone = ZONES.get(person[1], 3)
        model, (product, price) = rng.choice(list(MODELS.items()))
        quantity = rng.choices((1, 2, 3, 4), weights=(7, 7, 4, 2))[0]
        postage = "0.00" if quantity * Decimal(price) >= FREE_FROM else POSTAGE[zone]
        arrival = add_working_days(add_working_days(day, rng.randint(0, 1)), DELIVERY_DAYS[zone])
        delivered = "none" if status in ("packed", "shipped") else arrival.isoformat()
        assert delivered == "none" or arrival < TODAY
        orders.append(
            Order(
                f"PW-{number}",
                person[0],
                product,
                model,
                quantity,
                price,
                postage,
                status,
                day.isoformat(),
                delivered,
                person[1],
            )
        )
    return orders


# The handbook

# name: (id of the note, words that stand in it, the value among them)
FACTS = {
    "shop opens": ("n01", "Monday to Friday from 9 to 18 o'clock", "9"),
    "shop closes": ("n01", "Monday to Friday from 9 to 18 o'clock", "18"),
    "saturday opens": ("n01", "Saturday from 10 to 14 o'clock", "10"),
    "saturday closes": ("n01", "Saturday from 10 to 14 o'clock", "14"),
    "repair counter closed": ("n01", "The repair counter is also closed on Wednesday", "Wednesday"),
    "return window": ("n02", "within 30 days after delivery", "30"),
    "deduction for use": ("n02", "we deduct 15 percent", "15"),
    "return postage": ("n03", "pays 4.90 EUR return postage per parcel", "4.90"),
    "refund time": ("n04", "within 5 working days", "5"),
    "signature from": ("n04", "above 250 EUR", "250"),
    "warranty kettle": ("n05", "24 months for kettles", "24"),
    "warranty grinder": ("n05", "36 months for grinders", "36"),
    "repair kettle": ("n06", "kettle 18 EUR", "18"),
    "repair grinder": ("n06", "grinder 29 EUR", "29"),
    "repair scale": ("n06", "scale 15 EUR", "15"),
    "repair time": ("n07", "A repair takes 10 working days", "10"),
    "express time": ("n07", "The express service takes 3 working days", "3"),
    "express surcharge": ("n07", "costs 12 EUR extra per piece", "12"),
    "postage 2": ("n08", "zone 2 (Austria, France, Germany) 6.90 EUR", "6.90"),
    "postage 3": ("n08", "zone 3 (Denmark, Finland, Ireland, Italy, Poland, Portugal, Spain) 9.80 EUR", "9.80"),
    "free postage from": ("n09", "From 60 EUR of goods", "60"),
    "delivery 1": ("n10", "2 working days in zone 1", "2"),
    "delivery 2": ("n10", "4 working days in zone 2", "4"),
    "delivery 3": ("n10", "7 working days in zone 3", "7"),
    "packed same day before": ("n10", "Orders placed before 13 o'clock", "13"),
    "descaling interval": ("n11", "every 6 weeks", "6"),
    "descaling acid": ("n11", "15 g of citric acid", "15"),
    "descaling water": ("n11", "0.5 litres of cold water", "0.5"),
    "descaling time": ("n11", "stand for 40 minutes", "40"),
    "burrs cleaned every": ("n12", "thorough cleaning every 3 months", "3"),
    "burrs due after": ("n12", "due after 250 kg of coffee", "250"),
    "burrs price": ("n12", "cost 16.50 EUR", "16.50"),
    "calibration weight": ("n13", "a weight of 500 g", "500"),
    "weight deposit": ("n13", "a deposit of 10 EUR each", "10"),
    "parts kept": ("n14", "spare parts for 8 years", "8"),
    "lid price": ("n14", "A spare lid, hopper or battery cover costs 6.50 EUR", "6.50"),
    "voucher validity": ("n15", "valid for 36 months", "36"),
    "voucher highest": ("n15", "from 10 EUR to 200 EUR", "200"),
    "transfer deadline": ("n16", "within 7 days", "7"),
    "invoice format": ("n17", "sent as a PDF", "PDF"),
    "invoice copy": ("n17", "A printed copy by post costs 2 EUR", "2"),
    "cancel while": ("n18", "as long as its status is packed", "packed"),
    "redirection": ("n19", "redirecting a parcel costs 3.20 EUR", "3.20"),
    "data deletion": ("n20", "erased within 30 days", "30"),
    "newsletter day": ("n21", "the first Thursday of the month", "Thursday"),
    "newsletter discount": ("n21", "5 EUR off their next order", "5"),
    "complaints answer": ("n22", "answers within 2 working days", "2"),
    "complaints extension": ("n22", "the extension 44", "44"),
    "complaints day": ("n22", "who decides on Tuesday", "Tuesday"),
    "wrapping": ("n23", "Gift wrapping costs 3.50 EUR per piece", "3.50"),
    "card length": ("n23", "up to 120 characters", "120"),
    "business discount": ("n24", "8 percent off", "8"),
    "business deadline": ("n24", "on invoice within 21 days", "21"),
}


def check_facts(notes: dict[str, str]) -> None:
    """Return nothing: every fact stands in its note word for word, or the script stops and names it."""
    for name, (note, words, value) in FACTS.items():
        assert words in notes[note], f"“{words}” ({name}) does not stand in {note}"
        assert value in words, name


# The questions. Texts are written by hand; answers are computed.

ORDER_QUESTIONS = {
    "status": [
        "What is the current status of order {id}, please?",
        "A customer asks about {id}: which status does the order have at the moment?",
        "How far along is order {id} according to the status in our system?",
        "Is {id} packed, shipped, delivered, returned or in repair right now?",
        "Someone at the counter wants to know the status of the order {id}. What is it?",
        "Before I call back: in which status do we list the purchase {id}?",
        "Under which status does the system show the order numbered {id} today?",
    ],
    "model": [
        "Which model was bought with the order {id}?",
        "I need the exact model name in order {id}. What is it?",
        "The workshop asks which model belongs to the order number {id}. Which one is it?",
        "What is the name of the model that the customer of {id} ordered?",
        "Please tell me the model that we sold under the number {id}.",
        "For the spare part I must know the model in {id}. Which model is that?",
        "Which of our models did we put into the parcel for {id}?",
    ],
    "country": [
        "To which country did the order {id} have to be sent?",
        "In which country does the customer of the order {id} live?",
        "What country stands in the address of the order {id}?",
        "The carrier wants the country for parcel {id}. Which country is it?",
        "Where in Europe does {id} go? Name only the country, please.",
        "Which country has to stand on the label for order {id}?",
        "Name the country of destination that is stored for order {id}.",
    ],
    "delivered_on": [
        "On which date was the order {id} delivered to the customer?",
        "When did {id} reach the customer? Please give the date in ISO form.",
        "I am checking a return: what is the delivery date of order {id}?",
        "On what date did the carrier hand over the parcel of order {id}?",
        "For the warranty we need the date of delivery of {id}. What is it?",
        "Since which date has the customer had the goods of order {id}?",
        "Look up {id}: which date of delivery is stored for this order?",
    ],
    "quantity": [
        "How many pieces did the customer buy with the order {id}?",
        "What quantity is stored for the order with the number {id}?",
        "How many items belong in the parcel for order {id}?",
        "The packing slip of {id} is lost. How many pieces were listed on it?",
        "The customer of {id} says one piece is missing. How many did they order?",
        "Please check the quantity in order {id}: how many pieces is it?",
        "How many units of the model were sold under order {id}?",
    ],
}

ARITHMETIC_QUESTIONS = [
    ("A pallet holds 36 boxes with 8 kettles in each box. How many kettles are on it?", 36 * 8),
    ("We sold 47 scales at 17.90 EUR each last month. How much money did that bring in?", 47 * Decimal("17.90")),
    ("How much is a discount of 15 percent on a bill of 249.80 EUR?", 15 * Decimal("249.80") / 100),
    (
        "A grinder draws 140 watts. How many watt hours does it need for 45 minutes of running?",
        Decimal(140) * 45 / 60,
    ),
    (
        "Boiling a full kettle takes 0.18 kWh. How many EUR do 40 such boils cost at 0.35 EUR per kWh?",
        40 * Decimal("0.18") * Decimal("0.35"),
    ),
    (
        "The till held 215.40 EUR in the morning and 932.15 EUR at night. How much came in?",
        Decimal("932.15") - Decimal("215.40"),
    ),
    ("A customer pays a bill of 62.80 EUR with 100 EUR in cash. How much change is due?", 100 - Decimal("62.80")),
    ("If tips of 387 EUR are shared equally among 6 people, how much does each one get?", Decimal(387) / 6),
    (
        "What do the bills of 128.50 EUR, 76.25 EUR and 19.90 EUR come to when added up?",
        Decimal("128.50") + Decimal("76.25") + Decimal("19.90"),
    ),
    ("A recipe needs 62 g of coffee per litre. How many grams do 7.5 litres need?", 62 * Decimal("7.5")),
    ("We fill 12000 g of coffee beans into bags of 250 g. How many bags is that?", 12000 // 250),
    (
        "There were 640 filters in stock, 185 were used and 60 came in. How many are there now?",
        640 - 185 + 60,
    ),
    (
        "The workshop repaired 18, 23, 17 and 26 devices in the last 4 weeks. What is the weekly average?",
        Decimal(18 + 23 + 17 + 26) / 4,
    ),
    ("A price of 54 EUR rises by 5 percent. What is the new price in EUR?", Decimal(54) * 105 / 100),
    ("How many minutes are 3 hours and 25 minutes in the workshop altogether?", 3 * 60 + 25),
    ("A shelf is 240 cm wide and each scale takes 16 cm. How many scales fit side by side?", 240 // 16),
    (
        "The net price is 80 EUR and the tax 21 percent: what does the customer pay, tax included?",
        Decimal(80) * 121 / 100,
    ),
    ("Our van drives 64 km on each delivery day. How many km does it drive in 22 such days?", 64 * 22),
    (
        "A job took 2.5 hours at 38 EUR per hour plus 11.40 EUR for parts. What is the sum?",
        Decimal("2.5") * 38 + Decimal("11.40"),
    ),
    ("We pay a rent of 1350 EUR a month. How many EUR is that in 12 months?", 1350 * 12),
    ("Of 250 parcels 4 percent arrived late. How many parcels were late?", 250 * 4 // 100),
    ("Of 160 calls, 152 were answered. What percentage of the calls is that?", Decimal(100) * 152 / 160),
    (
        "A box may weigh 20 kg. How many kg are left after packing 7 kettles of 1.3 kg each?",
        20 - 7 * Decimal("1.3"),
    ),
    ("If 5 batteries cost 8.75 EUR, how much do 12 batteries cost at the same unit price?", Decimal("8.75") / 5 * 12),
    ("A bag with 24 cleaning tablets costs 13.20 EUR. How many EUR is that per tablet?", Decimal("13.20") / 24),
    (
        "What remains of a card worth 75 EUR after purchases of 27.50 EUR and 22.40 EUR?",
        75 - Decimal("27.50") - Decimal("22.40"),
    ),
    (
        "A supplier takes 3 percent off 2460 EUR for early payment. How much do we still pay?",
        Decimal(2460) * 97 / 100,
    ),
    ("Take 480 g away from 2.75 kg of coffee: how many grams are left?", 1000 * Decimal("2.75") - 480),
    ("Each of our 14 demo kettles is boiled 9 times a day. How many boils are that in 6 days?", 14 * 9 * 6),
    (
        "Last year there were 1180 orders, this year there are 1416. By how many percent did they grow?",
        Decimal(100) * (1416 - 1180) / 1180,
    ),
    ("A case with 6 grinders weighs 21.6 kg. What does each grinder weigh in kg?", Decimal("21.6") / 6),
    (
        "We print 390 leaflets, hand out 195 of them and lose 45. How many leaflets remain?",
        390 - 195 - 45,
    ),
    (
        "A kettle holds 1.7 litres. How many litres remain after 8 cups of 0.2 litres are poured?",
        Decimal("1.7") - 8 * Decimal("0.2"),
    ),
]

NOTE_QUESTIONS = [
    ("At what hour does the shop close on Saturday, on the 24-hour clock?", "saturday closes"),
    ("On which weekday is the repair counter closed although the shop is open?", "repair counter closed"),
    ("Within how many days after delivery may customers return their goods?", "return window"),
    ("By how many percent do we cut the refund for goods with traces of use?", "deduction for use"),
    ("How many EUR of return postage does a customer pay for a parcel without any fault?", "return postage"),
    ("The returned parcel is here: within how many working days does the refund go out?", "refund time"),
    ("Above which amount in EUR does the shop manager have to sign a refund?", "signature from"),
    ("For how many months after delivery is a grinder under warranty?", "warranty grinder"),
    ("What is the flat rate in EUR to repair a kettle out of warranty?", "repair kettle"),
    ("How many working days does an ordinary repair in the workshop take?", "repair time"),
    ("If a customer chooses the express service, how many working days does a repair take?", "express time"),
    ("How many EUR of postage does an order of 25 EUR to Austria cost?", "postage 2"),
    ("From how many EUR of goods on is an order free of postage?", "free postage from"),
    ("How many working days after packing does delivery in zone 3 take?", "delivery 3"),
    ("Before which hour must an order be placed to be packed the same working day?", "packed same day before"),
    ("Every how many weeks should a customer descale a kettle?", "descaling interval"),
    ("How many minutes does the descaling mix have to stand in the kettle?", "descaling time"),
    ("Every how many months should the burrs of a grinder come out for thorough cleaning?", "burrs cleaned every"),
    ("What do new burrs for a coffee grinder cost in EUR?", "burrs price"),
    ("A customer wants to calibrate a scale: what weight in grams is needed?", "calibration weight"),
    ("How many years do we keep spare parts for a model that is no longer sold?", "parts kept"),
    ("For how many months can a voucher be used after it was bought?", "voucher validity"),
    ("What is the highest value in EUR that our vouchers can have?", "voucher highest"),
    ("Within how many days does a bank transfer have to arrive before we cancel?", "transfer deadline"),
    ("In which file format do customers get their invoice by e-mail?", "invoice format"),
    ("As long as an order has which status can it be cancelled free of charge?", "cancel while"),
    ("How many EUR does redirecting a parcel to another address cost after shipment?", "redirection"),
    ("After how many days at most is the personal data of a deleted account erased?", "data deletion"),
    ("On which weekday does the newsletter go out each month?", "newsletter day"),
    ("What is the telephone extension of the complaints desk in our house?", "complaints extension"),
    ("On which weekday does the shop manager decide about open complaints?", "complaints day"),
    ("What is the price in EUR of gift wrapping for a single piece?", "wrapping"),
    ("How many characters may the free greeting card with the gift wrapping have?", "card length"),
    ("Within how many days do business customers have to pay an invoice?", "business deadline"),
]

TOTAL_QUESTIONS = [
    "What is the total of order {id}, goods and postage together?",
    "How much did the customer of {id} have to pay in all, postage included?",
    "I need the full amount for {id}: all pieces plus postage. How much is it?",
    "What sum stands at the bottom of the invoice for {id}, with postage?",
    "A customer asks what {id} came to with the postage. What is the total?",
    "Please work out the total amount of order {id} including its postage.",
    "Which amount should the bank show for {id}, goods plus postage?",
    "How many EUR does order {id} make when postage is counted too?",
    "Add up the pieces and the postage of {id}. What is the result in EUR?",
    "What was charged altogether, postage and goods, for the order {id}?",
    "The bookkeeper wants the value of {id} with postage. How many EUR is that?",
    "How expensive was order {id} overall, all pieces and the postage together?",
]
RETURN_POSTAGE = Decimal("4.90")
REFUND_QUESTIONS: list[tuple[str, Callable[[Order], Decimal]]] = [
    (
        "What do we refund for 1 piece of {id} after keeping 4.90 EUR return postage?",
        lambda o: o.price - RETURN_POSTAGE,
    ),
    (
        "Only 1 piece of order {id} comes back. How much is its price less 4.90 EUR return postage?",
        lambda o: o.price - RETURN_POSTAGE,
    ),
    (
        "A customer returns 1 piece from {id} and owes us 4.90 EUR return postage. What refund is left?",
        lambda o: o.price - RETURN_POSTAGE,
    ),
    (
        "How large is the refund for 1 piece of {id} if we take off 4.90 EUR return postage?",
        lambda o: o.price - RETURN_POSTAGE,
    ),
    (
        "All pieces of {id} come back. What do we refund for the goods less 4.90 EUR return postage?",
        lambda o: o.quantity * o.price - RETURN_POSTAGE,
    ),
    (
        "What is the refund for all the goods of {id} after taking off 4.90 EUR return postage?",
        lambda o: o.quantity * o.price - RETURN_POSTAGE,
    ),
    (
        "If 1 piece of {id} is sent back, what are the pieces that the customer keeps worth?",
        lambda o: (o.quantity - 1) * o.price,
    ),
    (
        "The customer of {id} returns 1 piece and keeps the rest. What is the price of the rest?",
        lambda o: (o.quantity - 1) * o.price,
    ),
    ("As a gesture we refund 20 percent of 1 piece of {id}. How many EUR is that?", lambda o: o.price * 20 / 100),
    (
        "The manager grants 10 percent back on all the goods of {id}, not on postage. How much is it?",
        lambda o: o.quantity * o.price * 10 / 100,
    ),
    (
        "A scratch on 1 piece of {id} earns the customer 30 percent of its price. How much is that?",
        lambda o: o.price * 30 / 100,
    ),
]
MORE_QUESTIONS: list[tuple[str, Callable[[Order, int], Decimal]]] = [
    ("What would {n} more of the model in {id} cost at the same price, without postage?", lambda o, n: n * o.price),
    ("The customer of {id} wants {n} more pieces. What do these cost before postage?", lambda o, n: n * o.price),
    ("How much are {n} further pieces of what {id} contains, at the price paid there?", lambda o, n: n * o.price),
    ("Please quote {n} extra pieces at the unit price of order {id}, postage left out.", lambda o, n: n * o.price),
    ("A café liked {id} and asks for {n} more of the same. What do they cost, goods only?", lambda o, n: n * o.price),
    (
        "If {n} pieces are added to {id}, what do all its goods cost without postage?",
        lambda o, n: (o.quantity + n) * o.price,
    ),
    (
        "Suppose {id} had {n} pieces more than it has. What would the goods alone cost?",
        lambda o, n: (o.quantity + n) * o.price,
    ),
    (
        "How much would the goods of {id} be worth in all with {n} pieces added?",
        lambda o, n: (o.quantity + n) * o.price,
    ),
    (
        "A school needs {n} pieces of the model sold in {id}. How many EUR is that, goods only?",
        lambda o, n: n * o.price,
    ),
    ("What is the price of {n} pieces like the ones in {id}, postage not counted?", lambda o, n: n * o.price),
    (
        "We double-check a quote: {n} times the unit price in order {id} makes how many EUR?",
        lambda o, n: n * o.price,
    ),
]

# (question, the facts that it needs in the order of looking them up, what to do with them)
NOTE_ARITHMETIC_QUESTIONS: list[tuple[str, tuple[str, ...], Callable[..., Decimal]]] = [
    (
        "What do we charge to repair 2 kettles out of warranty plus the return postage for 1 parcel?",
        ("repair kettle", "return postage"),
        lambda rate, postage: 2 * rate + postage,
    ),
    (
        "A café has 3 grinders repaired out of warranty. How much is that at the flat rate?",
        ("repair grinder",),
        lambda rate: 3 * rate,
    ),
    (
        "How much do flat-rate repairs of 1 grinder and 2 scales cost together?",
        ("repair grinder", "repair scale"),
        lambda grinder, scale: grinder + 2 * scale,
    ),
    (
        "What does the repair of 1 scale cost out of warranty with the express service on top?",
        ("repair scale", "express surcharge"),
        lambda rate, extra: rate + extra,
    ),
    (
        "How high is the extra charge for the express service if 4 pieces come in for repair?",
        ("express surcharge",),
        lambda extra: 4 * extra,
    ),
    ("How many EUR does gift wrapping for 6 pieces cost altogether?", ("wrapping",), lambda wrapping: 6 * wrapping),
    (
        "Goods for 41.50 EUR are sent to Germany. What does the customer pay with postage?",
        ("postage 2",),
        lambda postage: Decimal("41.50") + postage,
    ),
    (
        "A parcel with goods for 33.20 EUR goes to Portugal. What is the total with postage?",
        ("postage 3",),
        lambda postage: Decimal("33.20") + postage,
    ),
    (
        "The basket holds goods for 42.35 EUR. How many EUR are missing until postage is free?",
        ("free postage from",),
        lambda limit: limit - Decimal("42.35"),
    ),
    (
        "A business customer buys 12 pieces of one model for 648 EUR. What remains after the discount?",
        ("business discount",),
        lambda percent: 648 * (100 - percent) / 100,
    ),
    (
        "A new newsletter subscriber orders goods for 55.80 EUR. What do the goods cost after the discount?",
        ("newsletter discount",),
        lambda discount: Decimal("55.80") - discount,
    ),
    (
        "How many grams of citric acid does a customer need to descale a kettle 8 times?",
        ("descaling acid",),
        lambda acid: 8 * acid,
    ),
    (
        "We descale 5 kettles, each with fresh water. How many litres of cold water is that?",
        ("descaling water",),
        lambda water: 5 * water,
    ),
    ("What do 4 spare lids cost a customer who collects them at the shop?", ("lid price",), lambda price: 4 * price),
    (
        "How many EUR are new burrs for 3 grinders, one set for each of them?",
        ("burrs price",),
        lambda price: 3 * price,
    ),
    (
        "By how many months is the warranty for a grinder longer than the one for a kettle?",
        ("warranty grinder", "warranty kettle"),
        lambda grinder, kettle: grinder - kettle,
    ),
    (
        "A customer sends back 3 parcels, none of them faulty. How much return postage is that?",
        ("return postage",),
        lambda postage: 3 * postage,
    ),
    (
        "A faultless kettle for 49.90 EUR is returned. How much of its price is left after return postage?",
        ("return postage",),
        lambda postage: Decimal("49.90") - postage,
    ),
    (
        "A grinder for 54 EUR is returned with traces of use. How much remains after our deduction?",
        ("deduction for use",),
        lambda percent: 54 * (100 - percent) / 100,
    ),
    (
        "By how many working days is delivery in zone 3 slower than delivery in zone 1?",
        ("delivery 3", "delivery 1"),
        lambda far, near: far - near,
    ),
    (
        "A customer wants printed copies of 7 invoices by post. How many EUR do they cost?",
        ("invoice copy",),
        lambda price: 7 * price,
    ),
    (
        "How many EUR does it cost to redirect 3 parcels that are already shipped?",
        ("redirection",),
        lambda price: 3 * price,
    ),
    (
        "An ordinary repair is followed by delivery in zone 2. How many working days are both together?",
        ("repair time", "delivery 2"),
        lambda repair, delivery: repair + delivery,
    ),
    (
        "We have lent out 6 calibration weights. How many EUR of deposit do we hold for them?",
        ("weight deposit",),
        lambda deposit: 6 * deposit,
    ),
    (
        "For how many hours is the shop open on a Saturday, from opening to closing?",
        ("saturday closes", "saturday opens"),
        lambda closes, opens: closes - opens,
    ),
    (
        "How many hours is the shop open on the 5 days from Monday to Friday together?",
        ("shop closes", "shop opens"),
        lambda closes, opens: 5 * (closes - opens),
    ),
    (
        "How many vouchers of the highest value does a firm need to give away 1000 EUR?",
        ("voucher highest",),
        lambda highest: 1000 / highest,
    ),
    (
        "What is left of a voucher over 50 EUR after gift wrapping for 3 pieces is paid with it?",
        ("wrapping",),
        lambda wrapping: 50 - 3 * wrapping,
    ),
    (
        "A scale is repaired out of warranty and paid with 50 EUR in cash. How much change is due?",
        ("repair scale",),
        lambda rate: 50 - rate,
    ),
    (
        "Out of warranty, what do repairs of 1 kettle, 1 grinder and 1 scale plus one return postage cost?",
        ("repair kettle", "repair grinder", "repair scale", "return postage"),
        lambda *amounts: sum(amounts),
    ),
    (
        "Goods for 28.60 EUR go to Austria with 1 piece gift-wrapped. What is the total with postage?",
        ("wrapping", "postage 2"),
        lambda wrapping, postage: Decimal("28.60") + wrapping + postage,
    ),
    (
        "A model was last sold in 2021. Up to which year do we keep spare parts for it?",
        ("parts kept",),
        lambda years: 2021 + years,
    ),
    (
        "A voucher's validity is stated in months. How many years of 12 months is it?",
        ("voucher validity",),
        lambda months: months / 12,
    ),
    (
        "A bar grinds 5 kg of coffee a day. After how many days are new burrs due?",
        ("burrs due after",),
        lambda coffee: coffee / 5,
    ),
]


@dataclass(frozen=True)
class Task:
    """One row of agent_tasks.csv; `tools` names the tools of a sensible solution in order, blanks between them."""

    id: str
    split: str
    kind: str
    question: str
    answer: str
    tools: str


def normalize(value: str | int | Decimal) -> str:
    """Return a number without trailing zeros (“4.9” for 4.90), other text as it is."""
    try:
        number = Decimal(value)
    except ArithmeticError:
        return str(value)
    # An answer with more decimals would make its rounding part of the task.
    assert number == round(number, 2), value
    return format(number.normalize(), "f")


def is_refundable(order: Order) -> bool:
    """Return whether a question about sending back a part of the order makes sense."""
    return order.status == "delivered" and order.quantity > 1


def deal_orders(orders: list[Order], rng: random.Random) -> dict[str, list[Order]]:
    """Return the orders of each split, with the same share of refundable ones in each."""
    dealt = {split: [] for split in NUM_ORDERS}
    # Each order goes to the split that lacks most of its share; the refundable ones first, as they are few.
    for order in sorted(rng.sample(orders, len(orders)), key=is_refundable, reverse=True):
        split = min(dealt, key=lambda name: (len(dealt[name]) + 1) / NUM_ORDERS[name])
        dealt[split].append(order)
    assert {split: len(members) for split, members in dealt.items()} == NUM_ORDERS
    return dealt


def draw(orders: list[Order], is_fit: Callable[[Order], bool], rng: random.Random) -> Order:
    """Return a random order among the fitting ones and take it from the list."""
    order = rng.choice([one for one in orders if is_fit(one)])
    orders.remove(order)
    return order


def make_order_tasks(orders: dict[str, list[Order]], rng: random.Random) -> dict[str, list[tuple]]:
    """Return per split (question, answer, tools) for one look-up, the five fields in turn."""
    texts = {field: rng.sample(texts, len(texts)) for field, texts in ORDER_QUESTIONS.items()}
    tasks, told = {}, []
    turn = 0
    for split, counts in COUNTS.items():
        free = list(orders[split])
        chosen = list(ORDER_QUESTIONS)
        chosen = [chosen[(turn + num) % len(chosen)] for num in range(counts[0])]
        turn += counts[0]
        tasks[split] = []
        for field in sorted(chosen, key=lambda name: name != "delivered_on"):  # not every order has a delivery date
            values = {getattr(one, field): None for one in free if getattr(one, field) != "none"}
            rarest = min(values, key=told.count)  # else most answers would be “delivered” and the best-selling model
            order = draw(free, lambda one, field=field, value=rarest: getattr(one, field) == value, rng)
            told.append(rarest)
            tasks[split].append((texts[field].pop().format(id=order.order_id), rarest, "find_order"))
    return tasks


def make_order_arithmetic_tasks(orders: dict[str, list[Order]], rng: random.Random) -> dict[str, list[tuple]]:
    """Return per split (question, answer, tools) for totals, refunds and further pieces in turn."""
    totals, refunds, mores = (
        rng.sample(texts, len(texts)) for texts in (TOTAL_QUESTIONS, REFUND_QUESTIONS, MORE_QUESTIONS)
    )
    tasks = {}
    turn = 0
    for split, counts in COUNTS.items():
        free = list(orders[split])
        sorts = [("total", "refund", "more")[(turn + num) % 3] for num in range(counts[3])]
        turn += counts[3]
        tasks[split] = []
        for sort in sorted(sorts, key=lambda name: name != "refund"):  # few orders fit a refund, so they go first
            if sort == "total":
                # One piece without postage would leave nothing to calculate.
                order = draw(free, lambda one: one.quantity > 1 or one.postage_eur != "0.00", rng)
                question = totals.pop().format(id=order.order_id)
                answer = order.quantity * order.price + Decimal(order.postage_eur)
            elif sort == "refund":
                order = draw(free, is_refundable, rng)
                text, compute = refunds.pop()
                question, answer = text.format(id=order.order_id), compute(order)
            else:
                order, num = draw(free, lambda one: True, rng), rng.randint(2, 9)
                text, compute = mores.pop()
                question, answer = text.format(id=order.order_id, n=num), compute(order, num)
            tasks[split].append((question, answer, "find_order calculate"))
    return tasks


def split_by_counts(rows: list[tuple], kind: str, rng: random.Random) -> dict[str, list[tuple]]:
    """Return the rows, shuffled, in the numbers that each split needs of this kind."""
    place = KINDS.index(kind)
    assert len(rows) == sum(counts[place] for counts in COUNTS.values()), (kind, len(rows))
    rest = rng.sample(rows, len(rows))
    return {split: [rest.pop() for _ in range(counts[place])] for split, counts in COUNTS.items()}


def make_note_arithmetic_row(question: str, names: tuple[str, ...], compute: Callable[..., Decimal]) -> tuple:
    """Return (question, answer, tools), one search for each note that the facts stand in."""
    notes = {FACTS[name][0] for name in names}
    answer = compute(*(Decimal(FACTS[name][2]) for name in names))
    return question, answer, " ".join(["search_notes"] * len(notes) + ["calculate"])


def make_tasks(orders: list[Order], rng: random.Random) -> list[Task]:
    """Return the 168 tasks, within each split the kinds in turn, so that the first few are balanced as well."""
    dealt = deal_orders(orders, rng)
    rows = {
        "order": make_order_tasks(dealt, rng),
        "arithmetic": [(question, answer, "calculate") for question, answer in ARITHMETIC_QUESTIONS],
        "note": [(question, FACTS[name][2], "search_notes") for question, name in NOTE_QUESTIONS],
        "order+arithmetic": make_order_arithmetic_tasks(dealt, rng),
        "note+arithmetic": [make_note_arithmetic_row(*row) for row in NOTE_ARITHMETIC_QUESTIONS],
    }
    for kind in ("arithmetic", "note", "note+arithmetic"):
        rows[kind] = split_by_counts(rows[kind], kind, rng)
    tasks: list[Task] = []
    for split in COUNTS:
        left = {kind: rng.sample(rows[kind][split], len(rows[kind][split])) for kind in KINDS}
        while any(left.values()):
            for kind in KINDS:
                if left[kind]:
                    question, answer, tools = left[kind].pop()
                    tasks.append(Task(f"a{len(tasks) + 1:03}", split, kind, question, normalize(answer), tools))
    return tasks


def write_csv(path: Path, kind: type, records: list) -> None:
    """Return nothing: the file holds a header and one line per record, with the same line ends on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(kind)])
        writer.writerows(astuple(record) for record in records)


def main() -> None:
    """Return nothing: both files are written anew, or the handbook does not say what the tasks ask."""
    with (HERE / "notes.csv").open(encoding="utf-8", newline="") as file:
        check_facts({row["id"]: row["text"] for row in csv.DictReader(file)})
    rng = random.Random(SEED)
    orders = make_orders(rng)
    write_csv(HERE / "orders.csv", Order, orders)
    write_csv(HERE / "agent_tasks.csv", Task, make_tasks(orders, rng))


if __name__ == "__main__":
    main()
