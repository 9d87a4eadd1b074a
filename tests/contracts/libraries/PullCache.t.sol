// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IFeedVerifier} from "contracts/interfaces/IFeedVerifier.sol";
import {Lane} from "contracts/types/Lane.sol";
import {Tier} from "contracts/types/Tee.sol";

import {Deploy} from "../Deploy.sol";
import {FeedHubSetup} from "../FeedHubSetup.sol";
import {CachingConsumer} from "../fakes/CachingConsumer.sol";

/// @notice What is remembered of a pull within one transaction - each test is one - and what never is.
contract PullCacheTest is FeedHubSetup {
    int64 private constant PRICE = 5_000_000_000;
    uint256 private constant AGE = 60;

    IFeedVerifier private verifier;
    CachingConsumer private consumer;
    bytes private report;

    function setUp() external {
        _deploy(5, 3, 5);
        verifier = IFeedVerifier(Deploy.shipped("FeedVerifier", abi.encode(address(hub))));
        consumer = new CachingConsumer();
        report = _report(START - 3, _many(3, 1, PRICE), 0x15);
    }

    function test_verifyCached_SaysTheSameEveryTimeAndOfEveryFeed() external {
        for (uint256 time = 0; time < 3; ++time) {
            for (uint16 i = 0; i < 3; ++i) {
                Lane wanted = verifier.verifyLane(report, i, AGE);
                Lane seen = verifier.verifyCached(report, i, AGE);
                assertEq(Lane.unwrap(seen), Lane.unwrap(wanted), "lane");
            }
        }
    }

    /// @dev The tier comes from the table, which the second time does not read.
    function test_verifyCached_RemembersTheWeakestTier() external {
        _seat(7, 1, Tier.TOKEN);
        hub.rebuild();
        bytes memory weak = _report(START, _one(1, PRICE), 0x85);
        for (uint256 time = 0; time < 2; ++time) {
            assertEq(verifier.verifyCached(weak, 1, AGE).flags(), 0xA0, "flags");
        }
    }

    function test_verifyCached_ChecksNoSignatureAgain() external {
        verifier.verifyCached(report, 0, AGE);
        // The precompile that recovers signers.
        vm.mockCall(address(1), "", abi.encode(STRANGER));
        assertEq(verifier.verifyCached(report, 2, AGE).value(), PRICE + 2, "remembered");
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        verifier.verifyLane(report, 2, AGE);
    }

    function test_verifyCached_RevertWhen_AnyBitIsAnother() external {
        verifier.verifyCached(report, 0, AGE);
        bytes memory other = report;
        for (uint256 bit = 0; bit < 8 * other.length; ++bit) {
            bytes1 flip = bytes1(uint8(1 << (bit % 8)));
            other[bit / 8] ^= flip;
            (bool isDone, bytes memory reason) =
                address(verifier).call(abi.encodeCall(verifier.verifyCached, (other, 0, AGE)));
            assertTrue(!isDone && reason.length >= 4, "this bit does not matter");
            other[bit / 8] ^= flip;
        }
    }

    function test_verifyCached_RevertWhen_RefusedBefore() external {
        bytes memory bad = report;
        bad[bad.length - 1] ^= 0x01;
        for (uint256 time = 0; time < 3; ++time) {
            vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
            verifier.verifyCached(bad, 0, AGE);
        }
    }

    function test_verifyCached_RevertWhen_ASignerWasRevokedMeanwhile() external {
        verifier.verifyCached(report, 0, AGE);
        registry.revoke(_signer(4), signerSet);
        vm.expectRevert(IFeedHub.FeedHub_NotLive.selector);
        verifier.verifyCached(report, 0, AGE);
        hub.rebuild();
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_NoSigner.selector, 4));
        verifier.verifyCached(report, 0, AGE);
    }

    function test_verifyCached_RevertWhen_ALimitWasChangedMeanwhile() external {
        verifier.verifyCached(report, 0, AGE);
        int64 least = PRICE + 1;
        _govern(hub, abi.encodeCall(hub.setFeedLimits, (0, least, MAX_ANSWER, 1, 1)));
        hub.rebuild();
        vm.expectRevert();
        verifier.verifyCached(report, 0, AGE);
    }

    function test_verifyCached_RevertWhen_TheQuorumWasRaisedMeanwhile() external {
        verifier.verifyCached(report, 0, AGE);
        _govern(hub, abi.encodeCall(hub.setConfig, (_config(3, 2))));
        hub.rebuild();
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_TooFewVendors.selector, 1, 2));
        verifier.verifyCached(report, 0, AGE);
    }

    function test_verifyCached_RevertWhen_PausedMeanwhile() external {
        verifier.verifyCached(report, 0, AGE);
        vm.prank(GUARDIAN);
        hub.pauseFeed(2);
        bytes memory reason =
            abi.encodeWithSelector(IFeedHub.FeedHub_FeedPaused.selector, 2, START + 7 days);
        vm.expectRevert(reason);
        verifier.verifyCached(report, 0, AGE);
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(2);
        verifier.verifyCached(report, 0, AGE);
        // The word says already that some feed may be paused, and does not change.
        vm.prank(GOVERNANCE);
        hub.pauseFeed(2);
        vm.expectRevert(reason);
        verifier.verifyCached(report, 0, AGE);
        vm.prank(GOVERNANCE);
        hub.unpauseFeed(2);
        vm.prank(GUARDIAN);
        hub.pauseAll();
        vm.expectRevert(abi.encodeWithSelector(IFeedHub.FeedHub_Paused.selector, START + 7 days));
        verifier.verifyCached(report, 0, AGE);
    }

    function test_verifyCached_AsksEachCallerForItsAge() external {
        verifier.verifyCached(report, 0, 3);
        vm.expectRevert(
            abi.encodeWithSelector(IFeedHub.FeedHub_ReportTooOld.selector, START - 3, START - 2)
        );
        verifier.verifyCached(report, 0, 2);
        verifier.verifyCached(report, 0, 3);
    }

    function test_verifyCached_RevertWhen_AnotherHubIsAsked() external {
        assertEq(consumer.verifyCached(hub, report, 1, AGE).value(), PRICE + 1, "first");
        IFeedHub other = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(3, 1));
        // The same word, table and list: only the address is another.
        vm.etch(address(0xCAFE), address(hub).code);
        other = IFeedHub(address(0xCAFE));
        for (uint256 slot = 0; slot < 16; ++slot) {
            vm.store(address(other), bytes32(slot), vm.load(address(hub), bytes32(slot)));
        }
        assertTrue(
            keccak256(abi.encode(other.verifyConfig()))
                == keccak256(abi.encode(hub.verifyConfig())),
            "same word"
        );
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        consumer.verifyCached(other, report, 1, AGE);
    }

    /// @dev What one contract remembers, another does not: each has its own transient storage.
    function test_verifyCached_RemembersForOneContractAlone() external {
        consumer.verifyCached(hub, report, 0, AGE);
        vm.mockCall(address(1), "", abi.encode(STRANGER));
        vm.expectPartialRevert(IFeedHub.FeedHub_BadSignature.selector);
        verifier.verifyCached(report, 0, AGE);
    }

    function test_verifyCached_RevertWhen_TheCallIsStatic() external view {
        (bool isDone,) = address(verifier).staticcall{gas: 1_000_000}(
            abi.encodeCall(verifier.verifyCached, (report, 0, AGE))
        );
        assertTrue(!isDone, "stored in a static call");
    }

    /// @dev Gas of the verifier's own frame, with hub and table warm both times.
    function test_verifyCached_CostsAtMost2300TheSecondTime() external {
        bytes memory one = _report(START, _one(0, PRICE), 0x15);
        verifier.verifyLane(one, 0, AGE);
        uint256 uncached = vm.lastCallGas().gasTotalUsed;
        verifier.verifyCached(one, 0, AGE);
        uint256 first = vm.lastCallGas().gasTotalUsed;
        assertLe(first, uncached + 550, "first");
        verifier.verifyCached(one, 0, AGE);
        assertLe(vm.lastCallGas().gasTotalUsed, 2300, "second");
        assertTrue(uncached > 11_000, "not worth it");
    }

    /// @dev Another transaction remembers nothing.
    /// forge-config: default.isolate = true
    function test_verifyCached_ForgetsWithTheTransaction() external {
        verifier.verifyCached(report, 0, AGE);
        verifier.verifyCached(report, 0, AGE);
        assertTrue(vm.lastCallGas().gasTotalUsed > 45_000, "remembered");
    }
}
