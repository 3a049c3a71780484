"""Make `private_texts.csv`: messages with personal data in many spellings, and honest numbers that look like it.

    python data/make_private_texts.py

The numbers are drawn from a seeded generator and have right check digits; no address or account belongs to anybody but
by chance. Domains are those that RFC 2606 keeps for examples.
"""

import csv
import random
from pathlib import Path

TARGET = Path(__file__).with_name("private_texts.csv")


def make_digits(num: int, random_: random.Random) -> str:
    """Return so many random digits, the first not 0."""
    return str(random_.randint(1, 9)) + "".join(str(random_.randint(0, 9)) for _ in range(num - 1))


def make_iban(country: str, body: str) -> str:
    """Return an account number with its check digits (ISO 7064, mod 97-10)."""
    number = int("".join(str(int(character, 36)) for character in f"{body}{country}00"))
    return f"{country}{98 - number % 97:02}{body}"


def make_card(prefix: str, length: int, random_: random.Random) -> str:
    """Return a card number with its Luhn digit."""
    digits = prefix + "".join(str(random_.randint(0, 9)) for _ in range(length - len(prefix) - 1))
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return digits + str(-total % 10)


def group(text: str, size: int = 4, mark: str = " ") -> str:
    """Return the text in groups."""
    return mark.join(text[start : start + size] for start in range(0, len(text), size))


def make_rows() -> list[tuple[str, str, str]]:
    """Return (kind, text, text as it should be redacted)."""
    r = random.Random(12)
    emails = [
        "ilse.brandt@example.org",
        "T.Okafor+shop@mail.example.com",
        "j_moreau@example.net",
        "info@bakery-vanloo.example",
        "A.B.C@EXAMPLE.ORG",
        "piet (at) example.org",
        "nora[at]example.net",
        "lea at example dot org",
    ]
    phones = [
        "+32 475 " + group(make_digits(6, r), 2),
        "0" + make_digits(3, r) + "/" + make_digits(7, r),
        "+49 (0)30 " + make_digits(7, r),
        "0033 6 " + group(make_digits(8, r), 2),
        "(020) " + make_digits(3, r) + " " + make_digits(4, r),
        "06-" + make_digits(8, r),
        "+353." + make_digits(2, r) + "." + make_digits(7, r),
        "six seven eight, " + make_digits(6, r),
    ]
    ibans = [
        group(make_iban("DE", make_digits(18, r))),
        make_iban("NL", "ABNA" + make_digits(10, r)),
        group(make_iban("BE", make_digits(12, r))),
        group(make_iban("FR", make_digits(23, r))).lower(),
        group(make_iban("AT", make_digits(16, r)), 4, "-"),
        make_iban("PL", make_digits(24, r)),
        group(make_iban("ES", make_digits(20, r))),
        group(make_iban("IE", "AIBK" + make_digits(14, r))),
    ]
    cards = [
        group(make_card("4", 16, r)),
        make_card("51", 16, r),
        group(make_card("2221", 16, r), 4, "-"),
        make_card("37", 15, r),
        group(make_card("6011", 16, r)),
        make_card("4", 13, r),
        group(make_card("55", 16, r), 8),
        group(make_card("4", 16, r), 4, "."),
    ]
    frames = [
        "Please write to {} about PW-50123.",
        "My details: {}. The kettle is the Brisa 1.7.",
        "hi, {} thats me, pls answer today",
        "Use {} for the refund of PW-61234 please!",
    ]
    rows = []
    for kind, values in (("email", emails), ("phone", phones), ("iban", ibans), ("card", cards)):
        for place, value in enumerate(values):
            frame = frames[place % len(frames)]
            rows.append((kind, frame.format(value), frame.format(f"[{kind}]")))
    wrong_iban = make_iban("DE", make_digits(18, r))
    wrong_iban = wrong_iban[:-1] + str((int(wrong_iban[-1]) + 1) % 10)
    wrong_card = make_card("4", 16, r)
    wrong_card = wrong_card[:-1] + str((int(wrong_card[-1]) + 1) % 10)
    honest = [
        "PW-50123 and PW-61234 came in one box.",
        "The parcel 00340434161094042557 has not moved since 2025-11-03.",
        "The article number under the bar code is 4006381333931.",
        "I ordered on 03.11.2025 and paid 119.00 EUR + 6.90 EUR postage.",
        "It draws 2200 W at 230 V and holds 1.7 litres, says the label.",
        "Serial number SN20250417-00812, bought in 2024.",
        "My postcode is 1017 AB, house 112.",
        "Grind setting 3-4-5, 18 g in, 36 g out, 28 s.",
        "Voucher code GRIND-2025-0815 is refused.",
        f"Your letter names the account {wrong_iban}, which my bank says cannot be one.",
        f"The machine printed {wrong_card} on the slip, whatever that is.",
        "The meeting room is @ the third floor, e.g. at 10:30.",
        "Invoice 2025/004711 of 12/11/2025: 2 x 54.00 EUR.",
        "Between 2019 and 2025 I bought 14 things from you.",
        "The scale shows 0000 0000 and blinks.",
        "Version 1.10.2 of the manual, page 100-101.",
    ]
    return rows + [("none", text, text) for text in honest]


def main() -> None:
    """Write the file."""
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "kind", "text", "redacted"])
        for number, row in enumerate(make_rows(), start=1):
            writer.writerow([f"p{number:02}", *row])


if __name__ == "__main__":
    main()
