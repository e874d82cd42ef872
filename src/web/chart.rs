//! Charts as inline SVG, made here: no script draws, no style attribute is needed.

use std::fmt::Write as _;

use maud::{Markup, html};

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 48.0;

/// A line over `values`, oldest first, from zero to their greatest. `name` says what it shows.
pub(super) fn sparkline(name: &str, values: &[f64]) -> Markup {
    let line = line(values);
    html! {
        svg.spark viewBox="0 0 240 48" preserveAspectRatio="none" role="img" aria-label=(name) {
            @if !line.is_empty() {
                polygon points={ "0,48 " (line) " 240,48" } {}
                polyline points=(line) {}
            }
        }
    }
}

fn line(values: &[f64]) -> String {
    let mut points = String::new();
    if values.len() < 2 {
        return points;
    }
    let most = values.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let steps = u32::try_from(values.len() - 1).map_or(1.0, f64::from);
    for (at, value) in (0_u32..).zip(values) {
        let (x, y) = (f64::from(at) / steps * WIDTH, HEIGHT - 2.0 - value / most * (HEIGHT - 4.0));
        // Writing to a String cannot fail.
        let _ = write!(points, "{}{x:.1},{y:.1}", if at == 0 { "" } else { " " });
    }
    points
}

/// A bar of parts, each with its name for the title and its class.
pub(super) fn bar(name: &str, parts: &[(&str, &str, u64)]) -> Markup {
    let total = parts.iter().map(|(_, _, count)| count).sum::<u64>();
    let mut x = 0.0;
    let placed: Vec<_> = parts
        .iter()
        .filter(|(_, _, count)| *count > 0)
        .map(|(label, class, count)| {
            let width = share(*count, total) * WIDTH;
            let from = x;
            x += width;
            (label, class, count, format!("{from:.1}"), format!("{width:.1}"))
        })
        .collect();
    html! {
        svg.bar viewBox="0 0 240 8" preserveAspectRatio="none" role="img" aria-label=(name) {
            @for (label, class, count, from, width) in &placed {
                rect class=(class) x=(from) y="0" width=(width) height="8" { title { (label) ": " (count) } }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a picture of 240 points needs no more")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_edge_to_edge_within_the_box() {
        assert_eq!(line(&[0.0, 5.0, 10.0]), "0.0,46.0 120.0,24.0 240.0,2.0");
        assert_eq!(line(&[0.0, 0.0]), "0.0,46.0 240.0,46.0");
        assert_eq!((line(&[]), line(&[1.0])), (String::new(), String::new()));
    }

    #[test]
    fn a_bar_shares_its_width() {
        let drawn = bar("all", &[("a", "good", 1), ("b", "bad", 3), ("c", "quiet", 0)]).into_string();
        assert!(drawn.contains(r#"x="0.0" y="0" width="60.0""#), "{drawn}");
        assert!(drawn.contains(r#"x="60.0" y="0" width="180.0""#), "{drawn}");
        assert!(!drawn.contains("quiet"), "{drawn}");
    }
}
