//! What operators have changed about one app's endpoint, over the config.
//!
//! The config is the base and stays as it is; what is set here wins, survives a restart and can be reset.
//! Secrets are never serialized with the rest.

use http::Uri;
use serde::{Deserialize, Deserializer, Serialize};

use super::instant;
use crate::domain::address::parse_url;
use crate::domain::secret::Secret;
use crate::domain::time::Millis;

/// Live secrets at once: the newest, and the one it replaces.
pub const SECRETS_MAX: usize = 2;
/// Longest address, in bytes.
pub const URL_BYTES_MAX: usize = 2048;
/// Highest rate cap.
pub const RATE_PER_SECOND_MAX: u32 = 1_000_000;
/// Most attempts in flight at once.
pub const IN_FLIGHT_MAX: u32 = 100_000;
/// Longest remark on why an endpoint is disabled, in bytes.
const REMARK_BYTES_MAX: usize = 512;

/// Why an overlay is refused. Never contains the address: it may carry a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No address that deliveries can go to.
    #[error("`url` {}", url_rule())]
    Url,
    /// A cap on the rate that makes no sense.
    #[error("`ratePerSecond` must be from 1 to {RATE_PER_SECOND_MAX}")]
    Rate,
    /// A cap on attempts that makes no sense.
    #[error("`inFlightMax` must be from 1 to {IN_FLIGHT_MAX}")]
    InFlight,
    /// Too many secrets.
    #[error("at most {SECRETS_MAX} secrets may be live at once")]
    Secrets,
}

/// To stand behind the name of an address.
fn url_rule() -> String {
    format!(
        "must be http:// or https:// with a name or an address in its usual spelling, without user or password, of \
         at most {URL_BYTES_MAX} bytes"
    )
}

/// What operators have changed about one app's endpoint. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overlay {
    /// Deliveries wait until a person resumes it.
    pub paused: bool,
    /// Deliveries wait because the endpoint is out of order.
    pub disabled: Option<Disabled>,
    /// Where events go instead.
    #[serde(with = "url")]
    pub url: Option<Uri>,
    /// What deliveries are signed with instead, newest first; empty means the config's.
    #[serde(skip)]
    pub secrets: Vec<Secret>,
    /// Attempts in flight at once instead.
    pub in_flight_max: Option<u32>,
    /// Most deliveries a second instead.
    pub rate_per_second: Option<u32>,
}

/// Since when and why an endpoint is disabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disabled {
    /// What disabled it.
    pub reason: DisabledReason,
    /// In words.
    pub remark: Option<String>,
    /// Since when.
    #[serde(with = "instant")]
    pub since: Millis,
}

/// What disabled an endpoint. A person who wants deliveries to wait pauses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DisabledReason {
    /// It answered 410.
    Gone,
}

impl Overlay {
    /// Whether the config holds unchanged.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the rules.
    pub fn check(&self) -> Result<(), Error> {
        let fits = |value: Option<u32>, max: u32| value.is_none_or(|value| (1..=max).contains(&value));
        match () {
            () if !self.url.as_ref().is_none_or(is_endpoint) => Err(Error::Url),
            () if !fits(self.rate_per_second, RATE_PER_SECOND_MAX) => Err(Error::Rate),
            () if !fits(self.in_flight_max, IN_FLIGHT_MAX) => Err(Error::InFlight),
            () if self.secrets.len() > SECRETS_MAX => Err(Error::Secrets),
            () => Ok(()),
        }
    }

    /// Lets deliveries wait.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Lets deliveries go again, whatever held them.
    pub fn resume(&mut self) {
        self.paused = false;
        self.disabled = None;
    }

    /// Takes the endpoint out of order. One that is keeps its reason and time.
    pub fn disable(&mut self, reason: DisabledReason, remark: Option<&str>, now: Millis) {
        let remark = remark.map(|remark| remark[..remark.floor_char_boundary(REMARK_BYTES_MAX)].to_owned());
        self.disabled.get_or_insert(Disabled { reason, remark, since: now });
    }

    /// Signs with `new` from now on. The one it replaces stays beside it until the next rotation:
    /// the newest set here, or `configured`, the config's newest.
    pub fn rotate(&mut self, new: Secret, configured: Option<&Secret>) {
        let previous = self.secrets.first().or(configured).cloned();
        self.secrets = [new].into_iter().chain(previous).collect();
    }

    /// Takes over what a patch says.
    pub fn apply(&mut self, patch: Patch) {
        self.paused = match patch.paused {
            Change::Keep => self.paused,
            // No config pauses.
            Change::Reset => false,
            Change::Set(paused) => paused,
        };
        patch.url.apply(&mut self.url);
        patch.in_flight_max.apply(&mut self.in_flight_max);
        patch.rate_per_second.apply(&mut self.rate_per_second);
    }
}

/// A change as `PATCH /v1/endpoints/{app}` takes it: what is left out stays, `null` goes back to the config.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Patch {
    /// See [`Overlay::paused`].
    pub paused: Change<bool>,
    /// See [`Overlay::url`].
    pub url: Change<Url>,
    /// See [`Overlay::in_flight_max`].
    pub in_flight_max: Change<u32>,
    /// See [`Overlay::rate_per_second`].
    pub rate_per_second: Change<u32>,
}

/// What a patch does to one setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// The config's holds again.
    Reset,
    /// It becomes this.
    Set(T),
}

impl<T> Change<T> {
    fn apply<U: From<T>>(self, setting: &mut Option<U>) {
        match self {
            Self::Keep => {}
            Self::Reset => *setting = None,
            Self::Set(value) => *setting = Some(value.into()),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

/// An address that deliveries can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

impl From<Url> for Uri {
    fn from(url: Url) -> Self {
        url.0
    }
}

impl std::str::FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let url = parse_url(text).ok().filter(|_| text.len() <= URL_BYTES_MAX);
        url.map(Self).ok_or(Error::Url)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_: Error| serde::de::Error::custom(url_rule()))
    }
}

/// What a stored row must be, at least: rows written before a rule came stay readable, and the sink looks
/// at every address again.
fn is_endpoint(uri: &Uri) -> bool {
    let has_host =
        |authority: &http::uri::Authority| !authority.as_str().contains('@') && !authority.host().is_empty();
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(has_host)
        && uri.to_string().len() <= URL_BYTES_MAX
}

mod url {
    //! An address as text.

    use http::Uri;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::is_endpoint;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(url: &Option<Uri>, serializer: S) -> Result<S::Ok, S::Error> {
        match url {
            Some(url) => serializer.collect_str(url),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let url = text.parse().ok().filter(is_endpoint);
        url.map(Some).ok_or_else(|| serde::de::Error::custom(super::Error::Url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(text: &str) -> Result<Patch, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_patch_keeps_sets_and_resets() {
        let mut overlay = Overlay { in_flight_max: Some(4), rate_per_second: Some(9), ..Overlay::default() };
        overlay.apply(patch(r#"{"inFlightMax":null,"url":"https://a.example/x?y=1"}"#).unwrap());
        assert_eq!(overlay.in_flight_max, None);
        assert_eq!(overlay.rate_per_second, Some(9));
        assert_eq!(overlay.url.as_ref().unwrap().to_string(), "https://a.example/x?y=1");
        overlay.apply(patch(r#"{"url":null,"ratePerSecond":null,"paused":true}"#).unwrap());
        assert_eq!(overlay, Overlay { paused: true, ..Overlay::default() });
        overlay.apply(patch("{}").unwrap());
        assert!(overlay.paused);
        overlay.apply(patch(r#"{"paused":null}"#).unwrap());
        assert!(overlay.is_empty());
    }

    #[test]
    fn a_patch_takes_nothing_else() {
        for bad in [
            r#"{"secrets":["x"]}"#,
            r#"{"url":"ftp://a.example"}"#,
            r#"{"url":"https://user:pw@a.example"}"#,
            r#"{"url":"/relative"}"#,
            r#"{"url":"http://2130706433/"}"#,
            r#"{"url":"http://a.example:0/"}"#,
            r#"{"inFlightMax":-1}"#,
        ] {
            let error = patch(bad).unwrap_err().to_string();
            assert!(!error.contains("pw@"), "{error}");
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        let base = Overlay::default();
        let secrets = vec![Secret::from_entropy(&[1; 32]); 3];
        let long = format!("https://a.example/{}", "x".repeat(URL_BYTES_MAX));
        for (overlay, error) in [
            (Overlay { rate_per_second: Some(0), ..base.clone() }, Error::Rate),
            (Overlay { in_flight_max: Some(100_001), ..base.clone() }, Error::InFlight),
            (Overlay { secrets, ..base.clone() }, Error::Secrets),
            (Overlay { url: Some("mailto:a".parse().unwrap()), ..base.clone() }, Error::Url),
            (Overlay { url: Some(long.parse().unwrap()), ..base.clone() }, Error::Url),
        ] {
            assert_eq!(overlay.check(), Err(error));
        }
        assert_eq!(base.check(), Ok(()));
    }

    #[test]
    fn a_rotation_keeps_the_one_before_and_no_more() {
        let [configured, first, second] = [1, 2, 3].map(|n| Secret::from_entropy(&[n; 32]));
        let mut overlay = Overlay::default();
        overlay.rotate(first.clone(), Some(&configured));
        assert_eq!(overlay.secrets, [first.clone(), configured.clone()]);
        overlay.rotate(second.clone(), Some(&configured));
        assert_eq!(overlay.secrets, [second, first]);
        let json = serde_json::to_string(&overlay).unwrap();
        assert!(!json.contains("whsec_") && !format!("{overlay:?}").contains("whsec_"), "{json}");
    }

    #[test]
    fn disabling_again_keeps_the_first_time_and_resuming_clears_all() {
        let mut overlay = Overlay::default();
        overlay.disable(DisabledReason::Gone, None, Millis(5));
        overlay.disable(DisabledReason::Gone, Some(&"ñ".repeat(600)), Millis(9));
        overlay.pause();
        let json = serde_json::to_value(&overlay).unwrap();
        assert_eq!(json["disabled"]["reason"], "gone");
        assert_eq!(json["disabled"]["since"], "1970-01-01T00:00:00.005Z");
        assert_eq!(serde_json::from_value::<Overlay>(json).unwrap(), overlay);
        overlay.resume();
        assert!(overlay.is_empty());
        overlay.disable(DisabledReason::Gone, Some(&"ñ".repeat(600)), Millis(9));
        assert_eq!(overlay.disabled.unwrap().remark.unwrap().len(), REMARK_BYTES_MAX);
    }
}
