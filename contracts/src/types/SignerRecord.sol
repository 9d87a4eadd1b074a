// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice All that the registry keeps of a signer, in one storage word. From the high end:
///         operator 160 | refBlock 32 | registeredAt 26 | life 19 | image 13 | tier - 1: 2 |
///         revoked 1 | cause 3.
/// @dev `registeredAt` is in units of 64 s since the epoch, up to the year 2106, and `life` in such
///      units from there, up to 388 days; both are rounded down, so that no registration lives
///      longer than it may. The zero word is a signer that was never registered.
type SignerRecord is uint256;

using SignerRecords for SignerRecord global;

library SignerRecords {
    uint256 private constant UNIT_BITS = 6;
    uint256 private constant CAUSE_MASK = 7;
    uint256 private constant REVOKED = 1 << 3;
    uint256 private constant TIER_SHIFT = 4;
    uint256 private constant TIER_MASK = 3;
    uint256 private constant IMAGE_SHIFT = 6;
    uint256 private constant IMAGE_MASK = 0x1FFF;
    uint256 private constant LIFE_SHIFT = 19;
    uint256 private constant LIFE_MASK = 0x7FFFF;
    uint256 private constant REGISTERED_SHIFT = 38;
    uint256 private constant REGISTERED_MASK = 0x3FFFFFF;
    uint256 private constant REF_BLOCK_SHIFT = 64;
    uint256 private constant OPERATOR_SHIFT = 96;

    /// @notice A record that ends when it begins; `endingAt` gives it a life.
    /// @dev `refBlock_` and `now_` are below 2^32, `image_` below 2^13, `tier_` is 1 to 4.
    function make(address operator_, uint256 refBlock_, uint256 now_, uint256 image_, uint256 tier_)
        internal
        pure
        returns (SignerRecord)
    {
        return SignerRecord.wrap(
            uint256(uint160(operator_)) << OPERATOR_SHIFT | refBlock_ << REF_BLOCK_SHIFT | now_
                >> UNIT_BITS << REGISTERED_SHIFT | image_ << IMAGE_SHIFT | tier_ - 1 << TIER_SHIFT
        );
    }

    /// @notice The record with another end, in seconds since the epoch, and its cause.
    /// @dev The end is not before `registeredAt` and at most 388 days after it.
    function endingAt(SignerRecord record, uint256 end, uint256 cause_)
        internal
        pure
        returns (SignerRecord)
    {
        uint256 life = (end - record.registeredAt()) >> UNIT_BITS;
        uint256 rest = SignerRecord.unwrap(record) & ~(LIFE_MASK << LIFE_SHIFT | CAUSE_MASK);
        return SignerRecord.wrap(rest | life << LIFE_SHIFT | cause_);
    }

    function asRevoked(SignerRecord record) internal pure returns (SignerRecord) {
        return SignerRecord.wrap(SignerRecord.unwrap(record) | REVOKED);
    }

    /// @notice Whether the signer was ever registered: nobody registers without an operator.
    function isKnown(SignerRecord record) internal pure returns (bool) {
        return SignerRecord.unwrap(record) != 0;
    }

    /// @notice Whether the signer may sign now: registered, not revoked, not ended.
    /// @param isWithdrawn Whether its image is withdrawn: then it may not.
    function isValid(SignerRecord record, bool isWithdrawn) internal view returns (bool isIt) {
        assembly ("memory-safe") {
            // In seconds: each field is taken where its unit makes it so.
            let begin := and(shr(32, record), 0xFFFFFFC0)
            let life_s := and(shr(13, record), 0x1FFFFC0)
            let isBefore := lt(timestamp(), add(begin, life_s))
            // 1 against what must be 0: all questions at once, without a jump between them.
            isIt := gt(isBefore, or(and(record, REVOKED), isWithdrawn))
        }
    }

    function operator(SignerRecord record) internal pure returns (address) {
        // forge-lint: disable-next-line(unsafe-typecast) the uppermost 160 bits
        return address(uint160(SignerRecord.unwrap(record) >> OPERATOR_SHIFT));
    }

    function refBlock(SignerRecord record) internal pure returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast) takes 32 bits out of a word
        return uint32(SignerRecord.unwrap(record) >> REF_BLOCK_SHIFT);
    }

    /// @notice Seconds since the epoch, a multiple of 64.
    function registeredAt(SignerRecord record) internal pure returns (uint64) {
        uint256 raw = SignerRecord.unwrap(record);
        // forge-lint: disable-next-line(unsafe-typecast) at most 32 bits
        return uint64(((raw >> REGISTERED_SHIFT) & REGISTERED_MASK) << UNIT_BITS);
    }

    /// @notice First moment at which the signer is no longer valid; a multiple of 64.
    function expiresAt(SignerRecord record) internal pure returns (uint64) {
        uint256 raw = SignerRecord.unwrap(record);
        uint256 life = (raw >> LIFE_SHIFT) & LIFE_MASK;
        // forge-lint: disable-next-line(unsafe-typecast) at most 33 bits
        return uint64((((raw >> REGISTERED_SHIFT) & REGISTERED_MASK) + life) << UNIT_BITS);
    }

    function image(SignerRecord record) internal pure returns (uint16) {
        // forge-lint: disable-next-line(unsafe-typecast) takes 13 bits out of a word
        return uint16((SignerRecord.unwrap(record) >> IMAGE_SHIFT) & IMAGE_MASK);
    }

    /// @notice 1 to 4; 1 also for a signer that was never registered.
    function tier(SignerRecord record) internal pure returns (uint8) {
        // forge-lint: disable-next-line(unsafe-typecast) takes 2 bits out of a word
        return uint8((SignerRecord.unwrap(record) >> TIER_SHIFT) & TIER_MASK) + 1;
    }

    function isRevoked(SignerRecord record) internal pure returns (bool) {
        return SignerRecord.unwrap(record) & REVOKED != 0;
    }

    function cause(SignerRecord record) internal pure returns (uint8) {
        // forge-lint: disable-next-line(unsafe-typecast) takes 3 bits out of a word
        return uint8(SignerRecord.unwrap(record) & CAUSE_MASK);
    }
}
