//! RFC 3339 timestamps in UTC with microseconds: `2026-11-24T14:20:44.123456Z`.
//!
//! The part up to the second is cached, because thousands of lines share it.
//!
//! Each thread has its own [`Clock`] among the buffers for lines, so no lock is needed. There are no leap seconds, as
//! in [`SystemTime`]. Digits beyond the microsecond are cut, not rounded: rounding could show the next second too
//! early.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Formats timestamps, remembering the last second.
/// Costs six digits for a line in the cached second.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Seconds since 1970 that `text` shows.
    second: u64,
    /// `YYYY-MM-DDTHH:MM:SS.` of [`Self::second`].
    text: [u8; SECOND_LENGTH],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00." }
    }
}

impl Clock {
    /// Appends `time`. What lies outside the years 1970 to 9999 is moved to the nearest of them.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).min(LAST_INSTANT);
        if self.second != elapsed.as_secs() {
            self.second = elapsed.as_secs();
            render(self.second, &mut self.text);
        }
        let micros = elapsed.subsec_micros();
        let mut text = [b'Z'; SECOND_LENGTH + 7];
        text[..SECOND_LENGTH].copy_from_slice(&self.text);
        text[20..22].copy_from_slice(&two_digits(u64::from(micros / 10_000)));
        text[22..24].copy_from_slice(&two_digits(u64::from(micros / 100 % 100)));
        text[24..26].copy_from_slice(&two_digits(u64::from(micros % 100)));
        out.extend_from_slice(&text);
    }
}

/// Writes all digits of a second. The separators between them stand in `text` already.
#[cold]
fn render(second: u64, text: &mut [u8; SECOND_LENGTH]) {
    let (year, month, day) = civil_date(second / 86_400);
    let time = second % 86_400;
    text[..2].copy_from_slice(&two_digits(year / 100));
    text[2..4].copy_from_slice(&two_digits(year % 100));
    text[5..7].copy_from_slice(&two_digits(month));
    text[8..10].copy_from_slice(&two_digits(day));
    text[11..13].copy_from_slice(&two_digits(time / 3_600));
    text[14..16].copy_from_slice(&two_digits(time / 60 % 60));
    text[17..19].copy_from_slice(&two_digits(time % 60));
}

/// Year, month and day of a count of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Howard Hinnant's `civil_from_days`: years that begin in March have their leap day at the end.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Returns the last two decimal digits, in ASCII.
fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// Bytes of the cached part, with the point before the microseconds.
const SECOND_LENGTH: usize = "1970-01-01T00:00:00.".len();

/// 9999-12-31T23:59:59.999999Z
const LAST_INSTANT: Duration = Duration::new(253_402_300_799, 999_999_000);

#[cfg(test)]
mod tests {
    use super::*;

    fn written(clock: &mut Clock, time: SystemTime) -> String {
        let mut out = Vec::new();
        clock.write(&mut out, time);
        String::from_utf8(out).unwrap()
    }

    fn at(seconds: u64, micros: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, micros * 1_000 + 999)
    }

    #[test]
    fn known_instants_are_written_as_rfc_3339() {
        // seconds from `date -u -d … +%s`
        let table = [
            (at(0, 0), "1970-01-01T00:00:00.000000Z"),
            (at(951_782_399, 999_999), "2000-02-28T23:59:59.999999Z"),
            (at(951_782_400, 1), "2000-02-29T00:00:00.000001Z"),
            (at(951_868_800, 0), "2000-03-01T00:00:00.000000Z"),
            (at(1_704_067_199, 123_456), "2023-12-31T23:59:59.123456Z"),
            (at(1_709_164_800, 0), "2024-02-29T00:00:00.000000Z"),
            (at(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z"),
            (at(4_107_456_000, 0), "2100-02-28T00:00:00.000000Z"),
            (at(253_402_300_799, 999_999), "9999-12-31T23:59:59.999999Z"),
        ];
        let mut clock = Clock::default();
        for (time, expected) in table {
            assert_eq!(written(&mut clock, time), expected);
        }
    }

    #[test]
    fn times_out_of_range_are_moved_to_the_nearest_in_range() {
        let mut clock = Clock::default();
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(written(&mut clock, before), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(&mut clock, at(300_000_000_000, 5)), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let length = |year: u64, month| match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=LAST_INSTANT.as_secs() / 86_400 {
            assert_eq!(civil_date(days), (year, month, day));
            day += 1;
            if day > length(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(year, 10_000);
    }
}
