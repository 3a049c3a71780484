"""Claims about reading answers: numbers and dates in every form that models write, and nothing where there is none."""

import time
from datetime import date

from llmops_utils.evaluation import read_date, read_number

NUMBERS = {
    **{"40": 40, "0": 0, ".5": 0.5, "Wait ...5": 5, "(5)": 5, "**40**": 40, "\\boxed{40}": 40, "12kg": 12},
    **{"It costs 12.50.": 12.5, "12,50": 12.5, "12,5 percent": 12.5, "0,125": 0.125, "12,500": 12500, "12.500": 12.5},
    **{"1,234.50": 1234.5, "1.234,50": 1234.5, "1,234,567": 1234567, "1.234.567": 1234567, "1.234.567,89": 1234567.89},
    **{"1\u2009234": 1234, "1\u202f234,50": 1234.5, "1\u00a0234.5": 1234.5, "1’234.50": 1234.5},
    **{"-3": -3, "−3.5 °C": -3.5, "-€40": -40, "€-40": -40, "- 7": 7},  # the last is a list, not a sign
    **{"€ 40": 40, "40 €": 40, "40€": 40, "EUR 1,234.50": 1234.5, "EUR40": 40, "40EUR": 40, "$40.": 40, "US$40": 40},
    **{"12.5%": 12.5, "12.5 %": 12.5, "10-20": 20, "10–20": 20, "1e3": 1000, "1.5e-3": 0.0015, "3, 4, 5": 5},
    **{"the 3rd of 7": 7, "order 7 on the 3rd": 7, "7 items at 14:30": 7, "40 for order a3f9": 40},
    "30 days, until 14 March 2026.": 30,
    "30 days, until 2026-03-14.": 30,
    "40 with GPT-4 for order P-1002": 40,
}


def test_numbers_are_read_in_every_form():
    assert {text: read_number(text) for text in NUMBERS} == NUMBERS


def test_what_is_no_number_is_none():
    texts = [
        *("", "forty", "1/2", "24/7", "14:30", "2026-03-14", "14.03.2026", "14 March 2026", "3rd", "GPT-4", "P-1002"),
        *("B2B", "1,2,3", "v1.2.3", "192.168.0.1", "1e999", "9" * 400, "1_000", "x²", "nan", "inf", "."),
    ]
    assert [text for text in texts if read_number(text) is not None] == []


AFTER_A_MARK = {
    "First 12, then 28. The answer is 40. I used 2 steps.": 40,
    "Answer: 40 EUR for 3 items": 40,
    "**Answer:** 40, from 2 items": 40,
    "**Answer**: 40, from 2 items": 40,
    "The final answer is: **40** of 50": 40,
    "The answer is 7. No, the answer is 40 of 50.": 40,
    "12 × 3 = 36, so 36 + 4 = 40 EUR for 3 items": 40,
    "The total is = 40 after 3 steps": 40,
    "10 / 3 = 3.3333 ≈ 3.33 for each of 3": 3.33,
    "The answer is 36 + 4 = 40 for 3 items": 40,
    "The answer is: (6 + 4) * 4 = 40 for 3 items": 40,
    "The answer is 12 × 3 = 36 + 4 = 40 for 3 items": 40,
    "The answer is 40 (10 × 3 = 30, plus 10)": 40,
    "The answer is **40** (10 × 3 = 30, plus 10)": 40,
    "The answer is 40. 44 - 8 = 36 is wrong": 40,
    "The answer is 40\n44 - 8 = 36": 40,
    "The answer is 40, as 4 * 9 = 36 and 4 more": 40,
    "x = forty, which is 40 of 50": 40,
    "40 = the sum": 40,
    "Answer: forty, and there were 12": 12,
    "I saw 12. The answer is unknown.": None,
}


def test_the_number_after_the_mark_counts_and_without_one_the_last():
    assert {text: read_number(text) for text in AFTER_A_MARK} == AFTER_A_MARK
    assert read_number("40 of 50") == 50


def test_reading_a_long_text_takes_no_time():
    started = time.perf_counter()
    many = ("1,", "1 ", "99", "= ")
    for text in (*(part * 50_000 for part in many), "answer is " * 10_000, "14 march " * 10_000):
        read_number(text)
        read_date(text)
    assert time.perf_counter() - started < 5


DAY = date(2026, 3, 14)


def test_dates_are_read_in_every_form():
    texts = [
        *("2026-03-14", "2026-3-14", "14 March 2026", "March 14, 2026", "14.03.2026", "14/03/2026", "14-03-2026"),
        *("14th March 2026", "14th of March, 2026", "March 14th, 2026", "March 14 2026", "14 Mar 2026", "14 Mar. 2026"),
        *("MARCH 14, 2026", "2026-03-14T10:00:00", "(2026-03-14)", "**14 March 2026**", "2026/03/14", "14.3.2026"),
        "It arrives on Saturday, 14 March 2026.",
        "Ordered on 2026-03-01, it arrives on 2026-03-14.",
        "The answer is 14 March 2026, not 15 March 2026.",
        "Answer: 2026-03-14 (ordered 2026-03-01)",
        "2026-03-12 + 2 days = 2026-03-14, so before 2026-03-20",
        "The answer is 2026-03-12 + 2 days = 2026-03-14, before 2026-03-20",
    ]
    assert [text for text in texts if read_date(text) != DAY] == []


def test_months_and_the_order_of_day_and_month():
    days = {
        **{"3 September 2026": date(2026, 9, 3), "3 Sept 2026": date(2026, 9, 3), "3 Sep. 2026": date(2026, 9, 3)},
        **{"May 1, 2026": date(2026, 5, 1), "June 30, 2026": date(2026, 6, 30), "1 jul 2026": date(2026, 7, 1)},
        **{"31 December 1999": date(1999, 12, 31), "29 February 2024": date(2024, 2, 29)},
        "04/05/2026": date(2026, 5, 4),
    }
    assert {text: read_date(text) for text in days} == days


def test_impossible_and_missing_dates_are_none():
    texts = [
        *("", "soon", "14 March", "March 2026", "14.03.26", "2026-02-30", "29 February 2026", "31/04/2026"),
        *("03/14/2026", "2026-13-01", "0 March 2026", "12026-03-14", "2026-03-14-7", "20260314", "14 Marches 2026"),
        *("2026-03.14", "Not 2026-03-01 but 2026-02-30", "It was 2026-03-01. The answer is unknown."),
    ]
    assert [text for text in texts if read_date(text) is not None] == []
