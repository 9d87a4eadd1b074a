// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LifeCause} from "contracts/types/LifeCause.sol";
import {SignerRecord, SignerRecords} from "contracts/types/SignerRecord.sol";
import {Test} from "../Vm.sol";

contract SignerRecordTest is Test {
    uint256 private constant LONGEST_S = 365 days;

    function testFuzz_make_KeepsEveryField(
        address operator,
        uint32 refBlock,
        uint32 now_,
        uint256 image,
        uint256 tier
    ) external pure {
        image = bound(image, 1, 8191);
        tier = bound(tier, 1, 4);
        SignerRecord record = SignerRecords.make(operator, refBlock, now_, image, tier);
        assertEq(record.operator(), operator, "operator");
        assertEq(record.refBlock(), refBlock, "block");
        assertEq(record.registeredAt(), uint256(now_) / 64 * 64, "begin");
        assertEq(record.expiresAt(), record.registeredAt(), "no life yet");
        assertEq(record.image(), image, "image");
        assertEq(record.tier(), tier, "tier");
        assertEq(record.cause(), LifeCause.NONE, "cause");
        assertTrue(!record.isRevoked(), "revoked");
        assertTrue(record.isKnown(), "known");
    }

    /// @dev Whatever the record was, another end alters nothing but end and cause.
    function testFuzz_endingAt_AltersEndAndCauseAlone(uint256 any, uint256 life_s, uint256 cause)
        external
        pure
    {
        SignerRecord was = SignerRecord.wrap(any);
        uint256 end = was.registeredAt() + bound(life_s, 0, LONGEST_S);
        cause = bound(cause, 0, 7);
        SignerRecord record = was.endingAt(end, cause);
        assertEq(record.expiresAt(), end / 64 * 64, "end");
        assertEq(record.cause(), cause, "cause");
        uint256 others = ~uint256(0x7FFFF << 19 | 7);
        uint256 kept = SignerRecord.unwrap(record) & others;
        assertEq(kept, any & others, "the other fields");
    }

    function testFuzz_asRevoked_SetsOneBit(uint256 any) external pure {
        SignerRecord record = SignerRecord.wrap(any).asRevoked();
        assertTrue(record.isRevoked(), "revoked");
        assertEq(SignerRecord.unwrap(record), any | 8, "one bit");
    }

    /// @dev Against the same question, asked of the fields one by one.
    function testFuzz_isValid_IsWhatTheFieldsSay(uint256 any, uint256 now_, bool isWithdrawn)
        external
    {
        SignerRecord record = SignerRecord.wrap(any);
        // Near the end, on either side.
        vm.warp(bound(now_, record.registeredAt(), uint256(record.expiresAt()) + 128));
        bool wanted = !record.isRevoked() && !isWithdrawn && block.timestamp < record.expiresAt();
        assertTrue(record.isValid(isWithdrawn) == wanted, "valid");
    }

    function test_isValid_IsFalseOfTheZeroRecord() external {
        vm.warp(0);
        SignerRecord none = SignerRecord.wrap(0);
        assertTrue(!none.isValid(false) && !none.isKnown(), "unknown");
        assertEq(none.cause(), LifeCause.NONE, "cause");
    }

    /// @dev The layout is what other programs read from storage.
    function test_make_HasTheDocumentedLayout() external pure {
        SignerRecord record =
            SignerRecords.make(address(type(uint160).max), 0x01020304, 64 * 0x2000001, 0x1001, 4);
        record = record.endingAt(64 * (0x2000001 + 0x40001), LifeCause.RECOVERY).asRevoked();
        uint256 wanted = uint256(type(uint160).max) << 96 | uint256(0x01020304) << 64
            | uint256(0x2000001) << 38 | uint256(0x40001) << 19 | uint256(0x1001) << 6 | uint256(3)
            << 4 | 1 << 3 | 4;
        assertEq(SignerRecord.unwrap(record), wanted, "layout");
    }
}
