"""Claims about reading answers: numbers and dates in every form that models write, and nothing where there is none."""

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

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


STYLED = {
    **{r"\boxed{$9{,}500}": 9500, r"1\,234": 1234, r"1\;234{.}5": 1234.5, r"$12{,}000\$": 12000, "1~234": 1234},
    **{"–5": -5, "−5": -5, "‑5": -5, "－5": -5, "10–20": 20, "–€5": -5, "５００": 500, "1，234．5": 1234.5},
    **{"2×10^3": 2000, "2 x 10^{3}": 2000, r"2 \times 10^{-3}": 0.002, "1.5 × 10⁻³": 0.0015, "10^3": 1000},
    **{"−2 × 10^3": -2000, "2 × 10**3": 2000, "2 × 10 = 20": 20, "5e-1": 0.5, "2 × 10^3 + 4 = 2004": 2004},
    **{"2½": 2.5, "2 ½ hours": 2.5, "½": 0.5, "-2¾": -2.75, "2 1/2 cups": 2.5, r"2\frac{1}{2}": 2.5, "3⅓": 3 + 1 / 3},
    **{"25m2": 25, "25 m²": 25, "25 m^2": 25, "3.5cm2": 3.5, "9.8m/s2": 9.8, "25km2 of land": 25, "12h30": None},
    **{"= $118 000": 118000, "118 000 EUR": 118000, "1 234 567.5": 1234567.5, "5 to 10": 10, "2026 100": 100},
    **{"\u200b40": 40, "4\u200b0": 40, "٤٠": 40, "١٬٢٣٤٫٥": 1234.5, "۱۲٫۵": 12.5, "\u202a40\u202c": 40},
    **{"12,34,567": 1234567, "₹1,23,456.50": 123456.5, "1.234,567": 1234.567, "3,14159": 3.14159, "1234,567": 1234.567},
    **{"5.000,- EUR": 5000, "40.– CHF": 40, "40,--": 40, r"40^\circ C": 40, "_40_": 40, "__-40__": -40},
    **{"3 = 5² - 22": 22, "40¹": 40, "x_1 = 5": 5, "R$ 1.234,56": 1234.56, "5²": None},
}


SIGNS = st.sampled_from("-−–‑－")
STYLES = [
    *("{:.2f}", "{:,.2f}", "${:,.2f}", "{:,.2f} €", "**{:.2f}**", r"\boxed{{{:,.2f}}}", "The answer is {:,.2f}."),
    *("= {:.2f} kg", "{:.2f}e0", "{:.2f} × 10^0", r"{:.2f} \times 10^{{0}}", "{:.2f}·10⁰", "{:.2f}m2"),
    "### Sum\n#### {:,.2f}\n",
]
GROUPS = [(",", "."), ("{,}", "."), (".", ","), (r"\,", "."), (" ", "."), ("\u202f", ","), ("’", "."), ("'", ".")]


@settings(max_examples=60, deadline=None)
@given(st.integers(-(10**12), 10**12), SIGNS, st.sampled_from(STYLES), st.sampled_from(GROUPS))
def test_what_is_written_in_any_style_reads_back(cents, sign, style, group):
    value = cents / 100
    assert read_number(style.format(value).replace("-", sign)) == value
    grouped = f"{value:,.2f}".replace(",", "_").replace(".", group[1]).replace("_", group[0]).replace("-", sign)
    assert read_number(f"Sum: {grouped}") == value
    assert read_number(f"{abs(cents)}½".replace("-", sign)) == abs(cents) + 0.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=5) | st.sampled_from([*"0159,.'-–^{}½⅓$/ ", "\\frac{1}{0}", "10^", "#### ", "May "])))
def test_no_text_raises(parts):
    assert isinstance(read_number("".join(parts)), float | None)
    assert isinstance(read_date("".join(parts)), date | None)


def test_what_is_no_number_and_an_impossible_or_missing_date_are_none():
    texts = [
        *("", "forty", "1/2", "24/7", "14:30", "2026-03-14", "14.03.2026", "14 March 2026", "3rd", "GPT-4", "P-1002"),
        *("B2B", "1,2,3", "v1.2.3", "192.168.0.1", "1e999", "9" * 400, "1_000", "x²", "nan", "inf", "."),
        *(r"\frac{1}{2}", "1⁄2", "2^10", "10^999", "P‑1002", "GPT–4"),
    ]
    assert [text for text in texts if read_number(text) is not None] == []
    texts = [
        *("", "soon", "14 March", "March 2026", "14.03.26", "2026-02-30", "29 February 2026", "31/04/2026"),
        *("03/14/2026", "2026-13-01", "0 March 2026", "12026-03-14", "2026-03-14-7", "20260314", "14 Marches 2026"),
        *("2026-03.14", "Not 2026-03-01 but 2026-02-30", "It was 2026-03-01. The answer is unknown."),
    ]
    assert [text for text in texts if read_date(text) is not None] == []


AFTER_A_MARK = {
    "First 12, then 28. The answer is 40. I used 2 steps.": 40,
    "Answer: 40 EUR for 3 items": 40,
    "**Answer:** 40, from 2 items": 40,
    "The final answer is: **40** of 50": 40,
    "The answer is 7. No, the answer is 40 of 50.": 40,
    "12 × 3 = 36, so 36 + 4 = 40 EUR for 3 items": 40,
    "The total is = 40 after 3 steps": 40,
    "10 / 3 = 3.3333 ≈ 3.33 for each of 3": 3.33,
    "The answer is 36 + 4 = 40 for 3 items": 40,
    "The answer is 12 × 3 = 36 + 4 = 40 for 3 items": 40,
    "The answer is **40** (10 × 3 = 30, plus 10)": 40,
    "The answer is 40. 44 - 8 = 36 is wrong": 40,
    "The answer is 40, as 4 * 9 = 36 and 4 more": 40,
    "40 = the sum": 40,
    "Answer: forty, and there were 12": 12,
    "I saw 12. The answer is unknown.": None,
    "1 + 1 = 2\n#### 3": 3,
    "#### 3. Add\n1 + 1 = 2": 2,
    r"The answer is \boxed{3}, as 1 + 1 = 2": 3,
    r"So $\boxed{12 + 28 = 40}$, for 3 items": 40,
    "So, the answer is 13.\n\nThe answer is": 13,
    "So, the answer is 13, not 12 = 3 × 4. **Answer:** $": 13,
    "12 items. The answer is": None,
    '{"answer": "40 EUR", "steps": 3}': 40,
    "### Final Answer\n\n**40** after 3 steps": 40,
    "The correct answer would be 40 after 3": 40,
    "It equals 3. I give no answer\nto 40": 40,
    "40 of 50": 50,
}


def test_numbers_are_read_in_every_form_the_one_after_the_mark_counts_and_without_one_the_last():
    wanted = NUMBERS | STYLED | AFTER_A_MARK
    assert {text: read_number(text) for text in wanted} == wanted


DAY = date(2026, 3, 14)


def test_dates_are_read_in_every_form():
    texts = [
        *("2026-03-14", "2026-3-14", "14 March 2026", "March 14, 2026", "14.03.2026", "14/03/2026", "14-03-2026"),
        *("14th March 2026", "14th of March, 2026", "March 14th, 2026", "March 14 2026", "14 Mar 2026", "14 Mar. 2026"),
        *("MARCH 14, 2026", "2026-03-14T10:00:00", "(2026-03-14)", "**14 March 2026**", "2026/03/14", "14.3.2026"),
        *("14-Mar-2026", "14-March-2026", "March 14,2026", "14. March 2026", "14.March 2026", "14.Mar.2026"),
        *("2026‑03‑14", "2026–03–14", "14‑Mar‑2026", "14/Mar/2026", "2026-Mar-14", "2026 March 14", "Mar-14-2026"),
        *("14. 3. 2026", "２０２６-０３-１４", "14\u00a0March\u00a02026", r"\boxed{14 March 2026}"),
        *("March the 14th, 2026", "the 14th day of March 2026", "14 March, in 2026", "_2026-03-14_"),
        '{"answer": "2026-03-14", "start": "2026-03-01"}',
        "Ordered on 2026-03-01, it arrives on 2026-03-14.",
        "The answer is 14 March 2026, not 15 March 2026.",
        "Answer: 2026-03-14 (ordered 2026-03-01)",
        "The answer is 2026-03-12 + 2 days = 2026-03-14, before 2026-03-20",
    ]
    assert [text for text in texts if read_date(text) != DAY] == []
    days = {
        **{"3 September 2026": date(2026, 9, 3), "3 Sept 2026": date(2026, 9, 3), "3 Sep. 2026": date(2026, 9, 3)},
        **{"May 1, 2026": date(2026, 5, 1), "June 30, 2026": date(2026, 6, 30), "1 jul 2026": date(2026, 7, 1)},
        **{"31 December 1999": date(1999, 12, 31), "29 February 2024": date(2024, 2, 29)},
        "04/05/2026": date(2026, 5, 4),
    }
    assert {text: read_date(text) for text in days} == days


FORMS = ["%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%B %d,%Y", "%d. %B %Y", "%d-%b-%Y", "%b. %d, %Y", "%d.%m.%Y", "%d/%m/%Y"]


@settings(max_examples=50, deadline=None)
@given(st.dates(date(1000, 1, 1)), st.sampled_from(FORMS), st.sampled_from("-\u2010‑–−－"))
def test_what_is_written_as_a_date_reads_back(day, form, dash):
    assert read_date(f"It is {day.strftime(form).replace('-', dash)}.") == day
