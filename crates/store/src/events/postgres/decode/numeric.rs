//! A `numeric` as it goes over the wire, exactly: to make a text of every position would take the database longer than to find it.
//!
//! The driver's own decimal is not used for it: it rounds what it cannot hold, and a position that is rounded is another place.
//! After <https://www.postgresql.org/docs/current/protocol-message-formats.html> and `numeric_send` of the server: how many groups
//! of four digits, the power of 10,000 of the first, the sign, how many decimals are shown, and the groups, each in two bytes.

use domain::Position;

const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;

/// The position, or why it is none.
pub(super) fn position(bytes: &[u8]) -> Result<Position, String> {
    let mut fields = bytes.as_chunks::<2>().0.iter().map(|field| u16::from_be_bytes(*field));
    let mut next = || fields.next().ok_or("position is no numeric");
    let (groups, weight, sign, scale) = (next()?, next()?.cast_signed(), next()?, next()?);
    let too_long = || "position has more than 28 digits".to_owned();
    let mut mantissa = 0_i128;
    for _ in 0..groups {
        let group = i128::from(next()?);
        mantissa = mantissa.checked_mul(10_000).and_then(|so_far| so_far.checked_add(group)).ok_or_else(too_long)?;
    }
    // Behind the groups stand so many zeros before the point, or so many decimals too many.
    let shift = 4 * (i32::from(weight) + 1 - i32::from(groups)) + i32::from(scale);
    let power = || 10_i128.checked_pow(shift.unsigned_abs()).ok_or_else(too_long);
    let mantissa = match shift {
        _ if mantissa == 0 => 0,
        0.. => mantissa.checked_mul(power()?).ok_or_else(too_long)?,
        _ if mantissa % power()? == 0 => mantissa / power()?,
        _ => return Err("position has decimals that it does not show".to_owned()),
    };
    match sign {
        POSITIVE => Position::from_parts(mantissa, scale.into()),
        NEGATIVE => Position::from_parts(-mantissa, scale.into()),
        _ => return Err("position is no number".to_owned()),
    }
    .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it goes over the wire: weight, sign, decimals, groups.
    fn read(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Result<String, String> {
        let count = u16::try_from(groups.len()).expect("there are few");
        let fields = [&[count, weight.cast_unsigned(), sign, scale], groups].concat();
        let bytes: Vec<u8> = fields.into_iter().flat_map(u16::to_be_bytes).collect();
        position(&bytes).map(|position| position.to_string())
    }

    #[test]
    fn all_decimals_are_kept_and_none_is_made_up() {
        assert_eq!(read(2, POSITIVE, 6, &[17, 3205, 1234, 5678, 9000]), Ok("1732051234.567890".to_owned()));
        assert_eq!(read(2, POSITIVE, 0, &[17]), Ok("1700000000".to_owned()), "groups of zeros are not sent");
        assert_eq!(read(-2, POSITIVE, 6, &[100]), Ok("0.000001".to_owned()));
        assert_eq!(read(0, NEGATIVE, 2, &[1, 5000]), Ok("-1.50".to_owned()));
        assert_eq!(read(0, POSITIVE, 3, &[]), Ok("0.000".to_owned()));
        assert_eq!(read(i16::MAX, POSITIVE, 0, &[]), Ok("0".to_owned()));
    }

    #[test]
    fn what_is_no_position_is_refused_and_never_rounded() {
        let too_long = Err("position has more than 28 digits".to_owned());
        assert_eq!(read(9, POSITIVE, 0, &[9999; 10]), too_long);
        assert_eq!(read(30, POSITIVE, 0, &[1]), too_long);
        assert_eq!(read(i16::MAX, POSITIVE, 0, &[1]), too_long);
        assert!(read(7, POSITIVE, 0, &[9999; 8]).is_err_and(|reason| reason.contains("at most 28 digits")));
        assert!(read(-8, POSITIVE, 29, &[1000]).is_err_and(|reason| reason.contains("at most 28 digits")));
        assert_eq!(read(-1, POSITIVE, 2, &[1234]), Err("position has decimals that it does not show".to_owned()));
        // NaN, infinity and its opposite.
        for sign in [0xC000, 0xD000, 0xF000] {
            assert_eq!(read(0, sign, 0, &[]), Err("position is no number".to_owned()));
        }
        for bytes in [&[][..], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 0, 0]] {
            assert_eq!(position(bytes), Err("position is no numeric".to_owned()));
        }
    }
}
