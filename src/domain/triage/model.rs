//! The model: a linear one over phrases, words, pairs of words and groups of letters.
//!
//! Weights start at what the vocabulary says and are moved by lessons and corrections, each by one step along the
//! gradient of its mistake. No step and no weight exceeds its bound, so no run of wrong corrections can turn it over.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::cue::{self, CUES, Kind};
use super::lesson::{Lesson, lessons};
use super::text::words;
use super::verdict::{Area, Category, Priority, Sentiment, Verdict};
use super::{TEXT_CHARS_MAX, Ticket, language, negation};

/// No learned weight is larger.
const WEIGHT_MAX: f64 = 3.0;
/// How far a lesson moves a weight at most.
const LESSON_STEP: f64 = 0.03;
/// How far a person's correction does.
const CORRECTION_STEP: f64 = 0.12;
/// How often the lessons are gone through.
const ROUNDS: usize = 6;
/// What is left of a learned weight after each round.
const KEPT: f64 = 0.98;
/// What a phrase counts.
const CUE_SCALE: f64 = 0.7;
/// What each further phrase of one label counts of the one before.
const CUE_DAMPING: f64 = 0.7;
/// What a phrase counts that is denied.
const DENIED: f64 = -0.7;
/// Features that weights are kept for; beyond them nothing new is learned.
const FEATURES_MAX: usize = 200_000;
/// Words so short or so common tell nothing alone.
const WORD_LETTERS_MIN: usize = 3;
/// Letters in a group.
const GROUP_LETTERS: usize = 4;
/// Words this long are also taken apart.
const TAKEN_APART_MIN: usize = 5;

/// What a text has of which feature.
struct Read {
    features: Vec<(u64, f64)>,
    /// Phrases, and what they count.
    cues: Vec<(usize, f64)>,
}

/// The same, with the place of each feature among the weights.
struct Placed {
    features: Vec<(usize, f64)>,
    cues: Vec<(usize, f64)>,
}

/// One question's weights.
#[derive(Clone, Debug)]
struct Linear {
    kind: Kind,
    /// One for each label, feature after feature.
    learned: Vec<f64>,
}

/// Judges tickets, and learns.
#[derive(Clone, Debug)]
pub struct Triage {
    /// Where the weights of a feature are: looked up once for a text and not once for each weight.
    places: HashMap<u64, usize>,
    models: [Linear; 4],
}

impl Triage {
    /// What the vocabulary alone knows.
    pub fn untaught() -> Self {
        Self { places: HashMap::new(), models: Kind::ALL.map(|kind| Linear { kind, learned: Vec::new() }) }
    }

    /// With the lessons.
    pub fn taught() -> Self {
        static TAUGHT: LazyLock<Triage> = LazyLock::new(teach);
        TAUGHT.clone()
    }

    /// What to make of `ticket`.
    pub fn classify(&self, ticket: &Ticket<'_>) -> Verdict {
        let text = cut(ticket);
        let words = words(&text);
        let read = read(ticket, &text, &words);
        let [category, priority, sentiment, area] = &self.models;
        let placed = self.known(&read);
        let categories = chances(&category.scores(&placed));
        let category = highest(&categories);
        let confidence = categories.get(category).copied().unwrap_or(0.0);
        let priorities = chances(&priority.scores(&self.known(&read.knowing(&categories))));
        let (priority, sentiment, area) =
            (highest(&priorities), highest(&sentiment.scores(&placed)), highest(&area.scores(&placed)));
        let label = |labels: usize, at: usize| at.min(labels.saturating_sub(1));
        let verdict = Verdict {
            category: Category::ALL[label(Category::ALL.len(), category)],
            priority: Priority::ALL[label(Priority::ALL.len(), priority)],
            sentiment: Sentiment::ALL[label(Sentiment::ALL.len(), sentiment)],
            language: language::of(&text),
            area: Area::ALL[label(Area::ALL.len(), area)],
            confidence: hundredths(confidence),
            reason: String::new(),
        };
        if words.is_empty() {
            let reason = "it has no words".to_owned();
            return Verdict {
                category: Category::Other,
                priority: Priority::Low,
                confidence: 0,
                reason,
                ..verdict
            };
        }
        let reason = reason(&verdict, &read);
        Verdict { reason, ..verdict }
    }

    /// Takes a person's word for what `ticket` is; what they did not say stays as it was.
    pub fn correct(
        &mut self,
        ticket: &Ticket<'_>,
        category: Option<Category>,
        priority: Option<Priority>,
        area: Option<Area>,
    ) {
        let text = cut(ticket);
        let read = read(ticket, &text, &words(&text));
        let placed = self.placed(&read);
        let [categories, _, _, areas] = &mut self.models;
        if let Some(category) = category {
            categories.step(&placed, category as usize, CORRECTION_STEP);
        }
        if let Some(area) = area {
            areas.step(&placed, area as usize, CORRECTION_STEP);
        }
        if let Some(priority) = priority {
            let known = category.map_or_else(|| chances(&categories.scores(&placed)), certain);
            let knowing = self.placed(&read.knowing(&known));
            let [_, priorities, ..] = &mut self.models;
            priorities.step(&knowing, priority as usize, CORRECTION_STEP);
        }
    }

    /// `read` as far as something was learned of it.
    fn known(&self, read: &Read) -> Placed {
        let features = read.all().filter_map(|(feature, value)| Some((*self.places.get(&feature)?, value)));
        Placed { features: features.collect(), cues: read.cues.clone() }
    }

    /// `read` with a place for what is new in it, while there are places.
    fn placed(&mut self, read: &Read) -> Placed {
        for (feature, _) in read.all() {
            let next = self.places.len();
            if next < FEATURES_MAX {
                self.places.entry(feature).or_insert(next);
            }
        }
        self.known(read)
    }

    /// The largest weight that was learned.
    #[cfg(test)]
    pub(super) fn largest(&self) -> f64 {
        let weights = self.models.iter().flat_map(|model| &model.learned);
        weights.fold(0.0, |largest: f64, weight| largest.max(weight.abs()))
    }
}

/// Goes through the lessons.
fn teach() -> Triage {
    let mut triage = Triage::untaught();
    let read_once = |lesson: Lesson| {
        let (text, ticket) = (cut(&lesson.ticket()), lesson.ticket());
        let read = read(&ticket, &text, &words(&text));
        (triage.placed(&read.knowing(&certain(lesson.category))), triage.placed(&read), lesson)
    };
    let lessons: Vec<_> = lessons().into_iter().map(read_once).collect();
    for _ in 0..ROUNDS {
        for (knowing, placed, lesson) in &lessons {
            let [category, priority, sentiment, area] = &mut triage.models;
            category.step(placed, lesson.category as usize, LESSON_STEP);
            priority.step(knowing, lesson.priority as usize, LESSON_STEP);
            sentiment.step(placed, lesson.sentiment as usize, LESSON_STEP);
            area.step(placed, lesson.area as usize, LESSON_STEP);
        }
        let weights = triage.models.iter_mut().flat_map(|model| &mut model.learned);
        weights.for_each(|weight| *weight *= KEPT);
    }
    triage
}

impl Linear {
    fn scores(&self, placed: &Placed) -> Vec<f64> {
        let labels = self.kind.labels();
        let mut scores = vec![0.0; labels];
        for (label, score) in scores.iter_mut().enumerate() {
            let of_label = |n: usize| CUES[n].kind == self.kind && CUES[n].label == label;
            let own = placed.cues.iter().filter(|(n, _)| of_label(*n));
            let mut counts: Vec<f64> = own.map(|(n, value)| CUES[*n].weight * value).collect();
            counts.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
            let damped = counts.iter().rev().fold(0.0, |rest, count| rest * CUE_DAMPING + count);
            *score = CUE_SCALE * damped;
        }
        for (place, value) in &placed.features {
            let weights = self.learned.iter().skip(place * labels);
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score += weight * value;
            }
        }
        scores
    }

    /// One step towards `label`.
    fn step(&mut self, placed: &Placed, label: usize, step: f64) {
        let chances = chances(&self.scores(placed));
        for (place, value) in &placed.features {
            let (first, after) = (place * chances.len(), (place + 1) * chances.len());
            if self.learned.len() < after {
                self.learned.resize(after, 0.0);
            }
            let weights = self.learned.iter_mut().skip(first);
            for (at, (weight, chance)) in weights.zip(&chances).enumerate() {
                let wanted = if at == label { 1.0 } else { 0.0 };
                *weight = (*weight + step * (wanted - chance) * value).clamp(-WEIGHT_MAX, WEIGHT_MAX);
            }
        }
    }
}

impl Read {
    /// The same with what is known of the category.
    fn knowing(&self, categories: &[f64]) -> Self {
        let known = Category::ALL.iter().zip(categories);
        let known = known.map(|(category, chance)| (hash(&["category", category.as_str()]), 2.0 * chance));
        Self { features: self.features.iter().copied().chain(known).collect(), cues: self.cues.clone() }
    }

    fn all(&self) -> impl Iterator<Item = (u64, f64)> {
        let cues = self.cues.iter().map(|(n, value)| {
            let cue = &CUES[*n];
            (
                hash(&[
                    "cue",
                    cue.phrase,
                    Kind::ALL
                        .iter()
                        .position(|kind| *kind == cue.kind)
                        .map_or("", |at| ["c", "p", "s", "a"][at]),
                ]),
                *value,
            )
        });
        self.features.iter().copied().chain(cues)
    }
}

fn cut(ticket: &Ticket<'_>) -> String {
    let description = ticket.description.chars().take(TEXT_CHARS_MAX);
    ticket.subject.chars().take(TEXT_CHARS_MAX).chain(['\n']).chain(description).collect()
}

fn read(ticket: &Ticket<'_>, text: &str, words: &[String]) -> Read {
    let denied = negation::denied(words);
    let found = cue::found(words, &denied).into_iter();
    let cues = found
        .map(|(n, is_denied)| (n, if is_denied && CUES[n].kind == Kind::Category { DENIED } else { 1.0 }));
    let mut features = HashMap::new();
    for (at, word) in words.iter().enumerate() {
        let letters: Vec<char> = word.chars().collect();
        if letters.len() >= WORD_LETTERS_MIN {
            let stem: String = letters.iter().take(6).collect();
            features.insert(hash(&["word", &stem]), 1.0);
        }
        if letters.len() >= TAKEN_APART_MIN {
            let bounded: Vec<char> = [' '].into_iter().chain(letters).chain([' ']).collect();
            for group in bounded.windows(GROUP_LETTERS) {
                features.insert(hash(&["letters", &group.iter().collect::<String>()]), 0.3);
            }
        }
        if let Some(next) = words.get(at + 1) {
            features.insert(hash(&["pair", word, next]), 0.7);
        }
    }
    let mut mark = |name: &str, is_so: bool, value: f64| {
        if is_so {
            features.insert(hash(&["mark", name]), value);
        }
    };
    mark("always", true, 0.5);
    mark("?", text.contains('?'), 1.5);
    mark("?$", text.trim_end().ends_with('?'), 1.0);
    mark("!", text.contains('!'), 1.0);
    mark("short", words.len() < 15, 1.0);
    features.insert(hash(&["first", words.first().map_or("", String::as_str)]), 0.5);
    features.insert(hash(&["app", ticket.source]), 0.5);
    let mut features: Vec<_> = features.into_iter().collect();
    // Sums of fractions depend on their order, and a map's is another each time.
    features.sort_unstable_by_key(|(feature, _)| *feature);
    Read { features, cues: cues.collect() }
}

/// Which label is the surest; of equals the first.
fn highest(scores: &[f64]) -> usize {
    (0..scores.len()).reduce(|best, at| if scores[at] > scores[best] { at } else { best }).unwrap_or(0)
}

fn chances(scores: &[f64]) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let parts: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let whole: f64 = parts.iter().sum();
    parts.into_iter().map(|part| part / whole).collect()
}

fn certain(category: Category) -> Vec<f64> {
    Category::ALL.iter().map(|other| if *other == category { 1.0 } else { 0.0 }).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
fn hundredths(chance: f64) -> u8 {
    (chance * 100.0).round().clamp(0.0, 100.0) as u8
}

/// The phrases that spoke for the verdict, the strongest first.
fn reason(verdict: &Verdict, read: &Read) -> String {
    let phrases = |kind: Kind, label: usize| {
        let spoke = read
            .cues
            .iter()
            .filter(|(n, value)| CUES[*n].kind == kind && CUES[*n].label == label && *value > 0.0);
        let mut spoke: Vec<_> = spoke.map(|(n, _)| &CUES[*n]).collect();
        spoke.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let quoted = spoke.iter().take(3).map(|cue| format!("\"{}\"", cue.phrase.trim_end_matches('*')));
        quoted.collect::<Vec<_>>().join(", ")
    };
    let of = |word: &str, phrases: &str| match phrases {
        "" => format!("{word} by its words together"),
        phrases => format!("{word} by {phrases}"),
    };
    let category = of(verdict.category.as_str(), &phrases(Kind::Category, verdict.category as usize));
    let priority = of(verdict.priority.as_str(), &phrases(Kind::Priority, verdict.priority as usize));
    format!("{category}; {priority}")
}

/// A number for a feature (FNV-1a): the same in every process.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
