"""What the synthetic voices say: sentences with and without a keyword, and how often each emotion says which.

All of it is data. Wording tells something about the emotion, but not everything: a keyword occurs mostly in
one emotion and sometimes in every other, and every emotion often says plain sentences without any keyword.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

OTHER_SHARE = 0.03
"""Share of an emotion's sentences with a given keyword where :data:`KEYWORD_SHARES` names no share."""

MOST_KEYWORD_SHARE = 0.75
"""At least one in four sentences of every emotion hold no keyword, however many keywords a spec names."""

KEYWORD_SHARES: Mapping[str, Mapping[str, float]] = {
    "help": {"fear": 0.5},
    "stop": {"anger": 0.25, "fear": 0.06, "disgust": 0.10},
    "no": {"anger": 0.12, "disgust": 0.14, "sadness": 0.10, "fear": 0.10, "neutral": 0.08},
    "yes": {"happiness": 0.12, "neutral": 0.10},
    "love": {"happiness": 0.26, "sadness": 0.06},
    "hate": {"anger": 0.25, "disgust": 0.20},
    "sorry": {"sadness": 0.45, "neutral": 0.06},
    "great": {"happiness": 0.26, "neutral": 0.06, "anger": 0.04},
}
"""Keyword -> emotion -> share of the emotion's sentences that hold the keyword.

With six equally frequent emotions about three in four sentences with "help" are fearful, as many of those
with "sorry" sad, three in five of those with "love" or "great" happy, half of those with "hate" angry; "no" and
"yes" are mixed.
"""

KEYWORD_SENTENCES: Mapping[str, Sequence[str]] = {
    "help": (
        "please help me with this",
        "can you help him at the door",
        "help, he is behind the house",
        "we need some help over here",
        "is there any help on the way",
        "they asked us to help tonight",
    ),
    "stop": (
        "stop doing that right away",
        "the bus will stop at the corner",
        "please stop the car here",
        "when does it all stop",
        "stop, that is my bag",
        "they did not stop last night",
    ),
    "no": (
        "no, I have not seen it",
        "there is no bread in the house",
        "no, it was on the table",
        "oh no, it is the same one",
        "we have no time for that",
        "I told them no this morning",
    ),
    "yes": (
        "yes, I have seen it before",
        "yes, that is the one",
        "he said yes on the phone",
        "oh yes, it is the same one",
        "I think yes is the answer",
        "yes, we can go there now",
    ),
    "love": (
        "I love the way it looks",
        "do you love this place",
        "they love to talk about it",
        "it was a love letter after all",
        "love is all it takes",
        "I would love to see that",
    ),
    "hate": (
        "I hate the way it looks",
        "do you hate this place",
        "they hate to talk about it",
        "I hate waiting for the bus",
        "we hate it when that happens",
        "people hate that kind of thing",
    ),
    "sorry": (
        "I am sorry about the car",
        "sorry, I did not see you",
        "she said sorry to the man",
        "we are sorry it took so long",
        "sorry, it was in my bag",
        "you should say sorry to him",
    ),
    "great": (
        "that is a great idea",
        "great, now we can begin",
        "it was a great day for us",
        "what a great big house",
        "great, they are here again",
        "this is great for the garden",
    ),
}
"""Keyword -> sentences with it; every emotion draws from the same ones, so that only the keyword is a cue."""

CARRIER_SENTENCES: Sequence[str] = (
    "the word is {word} on this page",
    "I heard {word} in the next room",
    "{word} is what the man told us",
    "they wrote {word} on the wall",
    "please read {word} for me",
    "she answered {word} and went out",
)
"""Sentences without emotion for keywords that :data:`KEYWORD_SENTENCES` does not hold."""

PLAIN_SENTENCES: Sequence[str] = (
    "the train leaves at seven in the morning",
    "he put the letters on the table",
    "she is on her way to the office",
    "the children are playing in the garden",
    "we have been here since last summer",
    "it is eleven o'clock in the evening",
    "the window in the kitchen is open",
    "they are coming back on Wednesday",
    "my brother works at the station",
    "there is a blue jacket in the hall",
    "the meeting was moved to Friday",
    "I think I have seen this before",
    "the water in the lake is cold",
    "he wants to talk to the doctor",
    "it will be raining tomorrow",
    "she found the keys under the chair",
    "that is exactly what happened",
    "the airplane is almost full",
    "we bought some apples at the market",
    "I wonder what this is about",
    "the dog is sleeping near the fire",
    "they painted the door green",
    "he called me from the airport",
    "there are two people at the gate",
    "the paper lies on the fridge",
    "I will carry it up the stairs",
    "she lives in a small town by the sea",
    "the picture fell off the wall",
    "we are going to the mountains",
    "it takes about an hour by bike",
    "the radio was on all night",
    "his name is on the list",
)
"""Sentences that fit every emotion."""

OTHER_WORDS: Sequence[str] = (
    *(
        "seven",
        "window",
        "paper",
        "river",
        "garden",
        "yellow",
        "monday",
        "coffee",
        "house",
        "music",
        "open",
        "table",
    ),
    *(
        "little",
        "water",
        "right",
        "left",
        "down",
        "up",
        "under",
        "above",
        "north",
        "market",
        "doctor",
        "summer",
    ),
    *(
        "winter",
        "bird",
        "cat",
        "dog",
        "tree",
        "flower",
        "car",
        "bridge",
        "street",
        "school",
        "book",
        "pencil",
    ),
    *(
        "morning",
        "evening",
        "today",
        "later",
        "never",
        "always",
        "maybe",
        "people",
        "woman",
        "father",
        "sister",
    ),
    *("hello", "please", "again", "slow", "fast", "happy", "angry", "tired", "cold", "warm", "green", "blue"),
    *("one", "two", "three", "four", "five", "six", "nine", "ten", "go", "on", "off", "wow", "bed", "zero"),
    *(
        "so",
        "show",
        "note",
        "low",
        "nose",
        "mess",
        "yet",
        "guess",
        "less",
        "live",
        "glove",
        "shove",
    ),
    *(
        "held",
        "health",
        "shelf",
        "top",
        "step",
        "shop",
        "star",
        "late",
        "wait",
        "gate",
        "story",
        "sorrow",
    ),
    *(
        "grey",
        "grade",
        "grass",
        "rate",
        "have",
        "heart",
        "laugh",
        "leave",
        "bring",
        "carry",
        "follow",
        "answer",
    ),
)
"""Words for the class of other words; many sound a little like common keywords."""


def words_of(sentence: str) -> tuple[str, ...]:
    """The words of a sentence in lower case, without punctuation."""
    return tuple(re.findall(r"[a-z][a-z'-]*", sentence.lower()))


def holds(sentence: str, word: str) -> bool:
    """Whether a word (or a phrase of several) occurs in a sentence as a word of its own."""
    return f" {' '.join(words_of(word))} " in f" {' '.join(words_of(sentence))} "


def plain_sentences(keywords: Sequence[str]) -> tuple[str, ...]:
    """The plain sentences that hold none of the keywords; all of them where each holds one."""
    fitting = tuple(text for text in PLAIN_SENTENCES if not any(holds(text, word) for word in keywords))
    return fitting or tuple(PLAIN_SENTENCES)


def sentences_with(keyword: str, keywords: Sequence[str]) -> tuple[str, ...]:
    """Sentences with one keyword and no other of the list; carrier ones for words outside the lexicon."""
    own = KEYWORD_SENTENCES.get(keyword, ())
    others = [word for word in keywords if word != keyword and not holds(keyword, word)]
    fitting = [text for text in own if not any(holds(text, word) for word in others)]
    return tuple(fitting) or tuple(text.format(word=keyword) for text in CARRIER_SENTENCES)


def keyword_shares(emotion: str, keywords: Sequence[str]) -> tuple[float, ...]:
    """Share of an emotion's sentences that hold each keyword; what is left of 1 is plain sentences."""
    shares = [KEYWORD_SHARES.get(word, {}).get(emotion, OTHER_SHARE) for word in keywords]
    scale = min(1.0, MOST_KEYWORD_SHARE / sum(shares))
    return tuple(share * scale for share in shares)


def draw_sentence(rng: np.random.Generator, emotion: str, keywords: Sequence[str]) -> str:
    """A sentence as the emotion would word it."""
    shares = keyword_shares(emotion, keywords)
    choice = int(rng.choice(len(keywords) + 1, p=[*shares, 1 - sum(shares)]))
    plain = choice == len(keywords)
    sentences = plain_sentences(keywords) if plain else sentences_with(keywords[choice], keywords)
    return sentences[int(rng.integers(len(sentences)))]
