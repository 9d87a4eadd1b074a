// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedInfo, FeedListing, HubConfig, IFeedHub, Round} from "contracts/interfaces/IFeedHub.sol";
import {ISignerSet} from "contracts/interfaces/ISignerSet.sol";

import {Deploy} from "../Deploy.sol";
import {FakeSignerSet} from "../fakes/FakeSignerSet.sol";
import {Proof} from "./Proof.sol";

/// @notice Replay, strict order, bounds, window, quorum, and who can write a round: on the shipped hub,
///         whatever its caller, the report's fields, the signature and the moments.
/// @dev Bounded to one seat (m = 1), two feeds without history that share a slot, and reports of one entry;
///      two reports one after the other, of which the first has one and the same answer where newness is
///      proved; a feed that is listed between them with at most 3 rounds of history. `ecrecover` is any
///      function.
contract FeedHubProof is Proof {
    address private constant GOVERNANCE = address(0x60);
    address private constant GUARDIAN = address(0x61);
    /// @dev What `FakeSignerSet` has in position 0.
    address private constant SIGNER = address(1);
    uint256 private constant START = 1_790_000_000;
    uint256 private constant FEEDS = 2;
    uint256 private constant MAX_NEW_HISTORY = 3;
    int64 private constant MIN_ANSWER = 1000;
    int64 private constant MAX_ANSWER = 9_000_000_000_000;
    int64 private constant FIRST_ANSWER = 5_000_000_000;
    uint256 private constant JUMP_BPS = 1000;
    uint256 private constant JUMP_LAPSE_S = 3600;
    uint256 private constant MAX_AGE_S = 300;
    uint256 private constant SKEW_S = 5;
    uint256 private constant PAUSE_S = 7 days;

    IFeedHub private hub;
    bytes32 private listRoot;

    /// @dev A report of one entry, before it is packed.
    struct Report {
        uint32 observedAt;
        uint16 index;
        int64 value;
        uint32 quality;
        bytes32 r;
        uint256 vs;
    }

    function setUp() public {
        vm.chainId(31_337);
        vm.warp(START);
        ISignerSet signers = ISignerSet(address(new FakeSignerSet(2)));
        HubConfig memory config = HubConfig(1, 1, 4, uint32(MAX_AGE_S), uint32(SKEW_S));
        hub = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signers, config);
        for (uint256 i = 0; i < FEEDS; ++i) {
            bytes memory definition = abi.encodePacked(bytes32(i));
            vm.prank(address(hub));
            hub.listFeed(
                FeedListing({
                    decimals: 8,
                    definition: definition,
                    minAnswer: MIN_ANSWER,
                    maxAnswer: MAX_ANSWER,
                    jumpBps: uint16(JUMP_BPS),
                    jumpLapse_s: uint32(JUMP_LAPSE_S),
                    historyRounds: 0
                })
            );
        }
        hub.rebuild();
        listRoot = hub.listRoot();
    }

    function check_submit_StoresWhatTheQuorumSignedInItsWindow(Report memory report, uint40 time)
        public
    {
        vm.warp(time);
        if (!_submit(report)) return;
        assert(report.observedAt + MAX_AGE_S >= time && report.observedAt <= time + SKEW_S);
        assert(report.value >= MIN_ANSWER && report.value <= MAX_ANSWER);
        assert(_signerOf(report) == SIGNER);
        _assertStored(report);
        (bool isWritten,) = _read(report.index ^ 1);
        assert(!isWritten);
    }

    function check_submit_StoresOnlyNewerRounds(
        Report memory first,
        Report memory second,
        uint40 time,
        uint40 later
    ) public {
        // One number, for the solver's sake: the jump is a product of both.
        first.value = FIRST_ANSWER;
        if (!_submitBoth(first, second, time, later)) return;
        _assertStored(second);
        if (first.index == second.index) assert(second.observedAt > first.observedAt);
        else _assertStored(first);
    }

    function check_submit_NeverTakesAReportTwice(Report memory report, uint40 time, uint40 later)
        public
    {
        vm.assume(time <= later);
        vm.warp(time);
        if (!_submit(report)) return;
        vm.warp(later);
        assert(!_submit(report));
    }

    /// @notice Nobody, governance and the hub itself included, changes a round but by `submit`.
    /// @dev A proposal is executed by the hub calling itself, which is one of the callers here.
    function check_noOtherCallWritesARound(Report memory report, address caller, uint40 time)
        public
    {
        vm.assume(time >= START && time < type(uint40).max - 2 * PAUSE_S);
        vm.warp(time);
        if (!_submit(report)) return;
        bytes memory call = _anyCall();
        vm.prank(caller);
        (bool isDone,) = address(hub).call(call);
        vm.assume(isDone);
        // A pause hides a round; after it the round is seen again.
        vm.warp(uint256(time) + PAUSE_S);
        FeedInfo memory info = hub.feedInfo(report.index);
        // So do bounds that were set since; nothing else does.
        bool isHidden = report.value < info.minAnswer || report.value > info.maxAnswer;
        if (!isHidden) _assertStored(report);
        (bool isWritten,) = _read(report.index ^ 1);
        assert(!isWritten);
    }

    function _submitBoth(Report memory first, Report memory second, uint40 time, uint40 later)
        private
        returns (bool)
    {
        vm.assume(time <= later);
        vm.warp(time);
        if (!_submit(first)) return false;
        vm.warp(later);
        return _submit(second);
    }

    function _assertStored(Report memory report) private view {
        (bool isWritten, Round memory round) = _read(report.index);
        assert(isWritten);
        assert(round.answer == report.value && round.observedAt == report.observedAt);
        assert(round.dispersion == report.quality >> 16);
        assert(round.sources == uint8(report.quality >> 8));
        assert(round.flags == 0x80 | uint8(report.quality));
    }

    /// @dev A call of any function but `submit`, with any arguments. If the first is a listed index, it is
    ///      fixed on each path; functions refuse others before they use them.
    function _anyCall() private pure returns (bytes memory input) {
        input = svm.createCalldata("IFeedHub");
        vm.assume(bytes4(input) != IFeedHub.submit.selector);
        if (bytes4(input) == IFeedHub.listFeed.selector) {
            // The last word of a listing, after the selector and the listing's offset.
            vm.assume(_fix(input, 4 + 32 + 6 * 32, 1 + MAX_NEW_HISTORY));
        } else if (input.length >= 36) {
            _fix(input, 4, FEEDS);
        }
    }

    /// @dev Makes an argument below `end` a number on each path; leaves any other, and says which it was.
    function _fix(bytes memory input, uint256 offset, uint256 end) private pure returns (bool) {
        uint256 argument;
        assembly ("memory-safe") {
            argument := mload(add(add(input, 32), offset))
        }
        for (uint256 one = 0; one < end; ++one) {
            if (argument != one) continue;
            assembly ("memory-safe") {
                mstore(add(add(input, 32), offset), one)
            }
            return true;
        }
        return false;
    }

    /// @dev Fixes the feed on each path.
    function _submit(Report memory report) private returns (bool isDone) {
        report.index = uint16(_each(report.index, FEEDS));
        bytes memory packed = abi.encodePacked(
            uint8(1),
            report.observedAt,
            listRoot,
            uint16(1),
            _entry(report),
            uint64(1),
            report.r,
            report.vs
        );
        (isDone,) = address(hub).call(abi.encodeCall(IFeedHub.submit, (packed)));
    }

    function _read(uint16 index) private view returns (bool isWritten, Round memory round) {
        try hub.read(index) returns (Round memory seen) {
            return (true, seen);
        } catch {
            return (false, round);
        }
    }

    /// @dev EIP-712 and EIP-2098, written out apart from the contracts' own codec.
    function _signerOf(Report memory report) private view returns (address) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("ConfidentialOracle"),
                keccak256("1"),
                block.chainid,
                address(hub)
            )
        );
        bytes32 typeHash =
            keccak256("Report(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)");
        bytes32 body = keccak256(
            abi.encode(typeHash, 1, report.observedAt, listRoot, keccak256(_entry(report)))
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, body));
        uint8 v = report.vs >> 255 == 1 ? 28 : 27;
        return ecrecover(digest, v, report.r, bytes32(report.vs & ~(uint256(1) << 255)));
    }

    function _entry(Report memory report) private pure returns (bytes memory) {
        return abi.encodePacked(report.index, report.value, report.quality);
    }
}
