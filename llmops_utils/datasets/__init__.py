"""Typed records from `data/`, and checks of a data set's quality."""

from .quality import find_gaps, find_leaks, find_near_duplicates, measure_balance
from .records import (
    INTENTS,
    SENTIMENTS,
    URGENCIES,
    Example,
    Message,
    Note,
    Order,
    Problem,
    Task,
    load_bias_pairs,
    load_date_questions,
    load_fact_questions,
    load_graded_answers,
    load_handbook_questions,
    load_injections,
    load_messages,
    load_near_pairs,
    load_notes,
    load_odd_messages,
    load_orders,
    load_page_attacks,
    load_private_texts,
    load_shop_sentences,
    load_task_chains,
    load_tasks,
    load_training_messages,
    load_word_problems,
    make_examples,
)
from .tables import OR_NONE, Record, load_records
