// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {HubReader} from "contracts/libraries/HubReader.sol";
import {HubWord} from "contracts/types/HubWord.sol";

import {Test} from "../Vm.sol";

contract HubReaderTest is Test {
    IFeedHub private constant HUB = IFeedHub(address(0x4B));

    /// @dev A call of its own, for `expectRevert`.
    function read(uint16 index) external view returns (int256, uint256) {
        return HubReader.read(HUB, IFeedHub.read.selector, bytes32(uint256(index)));
    }

    /// @dev The same for the word.
    function word() external view returns (HubWord) {
        return HubReader.word(HUB);
    }

    function testFuzz_read_IsTheRoundsAnswerAndMoment(
        uint16 index,
        int64 answer,
        uint32 observedAt,
        uint8 flags
    ) external {
        Round memory round = Round(answer, observedAt, 12, 5, flags);
        vm.mockCall(address(HUB), abi.encodeCall(IFeedHub.read, (index)), abi.encode(round));
        (int256 seen, uint256 seen_at) =
            HubReader.read(HUB, IFeedHub.read.selector, bytes32(uint256(index)));
        assertEq(seen, answer, "answer");
        assertEq(seen_at, observedAt, "observedAt");
    }

    function test_read_LeavesTheFreeMemoryPointerAlone() external {
        Round memory round = Round(42, 7, 12, 5, 0x80);
        vm.mockCall(address(HUB), abi.encodeCall(IFeedHub.read, (9)), abi.encode(round));
        bytes memory before = hex"01020304";
        HubReader.read(HUB, IFeedHub.read.selector, bytes32(uint256(9)));
        bytes memory later = hex"05060708";
        assertEq(before, hex"01020304", "before");
        assertEq(later, hex"05060708", "later");
    }

    function test_read_PassesARevertOn() external {
        bytes memory reason = abi.encodeWithSelector(IFeedHub.FeedHub_NeverWritten.selector, 9);
        vm.etch(address(HUB), abi.encodePacked(hex"602480600c5f395ffd000000", reason));
        vm.expectRevert(reason);
        this.read(9);
    }

    function test_read_RevertWhen_TheAnswerIsTooShort() external {
        vm.mockCall(address(HUB), abi.encodeCall(IFeedHub.read, (9)), new bytes(63));
        vm.expectRevert();
        this.read(9);
    }

    function test_read_RevertWhen_ThereIsNoHub() external {
        vm.expectRevert();
        this.read(9);
    }

    function testFuzz_word_IsWhatTheHubAnswersToNoData(uint256 raw) external {
        vm.mockCall(address(HUB), "", abi.encode(raw));
        assertEq(HubWord.unwrap(HubReader.word(HUB)), raw, "word");
    }

    function test_word_PassesARevertOn() external {
        bytes memory reason = abi.encodeWithSelector(IFeedHub.FeedHub_NotLive.selector);
        vm.etch(address(HUB), abi.encodePacked(hex"600480600c5f395ffd000000", reason));
        vm.expectRevert(reason);
        this.word();
    }

    function test_word_RevertWhen_TheAnswerIsTooShortOrThereIsNoHub() external {
        vm.expectRevert();
        this.word();
        vm.mockCall(address(HUB), "", new bytes(31));
        vm.expectRevert();
        this.word();
    }
}
