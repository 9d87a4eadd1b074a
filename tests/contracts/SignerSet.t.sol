// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationRegistry} from "contracts/interfaces/IAttestationRegistry.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";
import {IImagePolicy} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet, SeatEntry} from "contracts/interfaces/ISignerSet.sol";
import {TeeKind, Tier, Vendor} from "contracts/types/Tee.sol";

import {Deploy} from "./Deploy.sol";
import {FeedHubSetup} from "./FeedHubSetup.sol";
import {FakeRegistry} from "./fakes/FakeRegistry.sol";

contract SignerSetTest is FeedHubSetup {
    address private constant A = address(0xA);
    address private constant B = address(0xB);
    address private constant C = address(0xC);

    function setUp() external {
        vm.warp(START);
        registry = new FakeRegistry();
        signerSet = _newSet(3600);
        _govern(signerSet, abi.encodeCall(ISignerSet.addSeat, (_operator(0))));
        _govern(signerSet, abi.encodeCall(ISignerSet.addSeat, (_operator(1))));
        registry.register(A, _operator(0));
        registry.register(B, _operator(0));
        registry.register(C, _operator(0));
    }

    // --- seats ---

    function test_addSeat_GivesTheLowestFreeSeat() external {
        assertEq(signerSet.seatOf(_operator(1)), 1, "second");
        _govern(signerSet, abi.encodeCall(ISignerSet.removeSeat, (0)));
        bytes memory call = abi.encodeCall(ISignerSet.addSeat, (_operator(2)));
        vm.prank(GOVERNANCE);
        signerSet.propose(call);
        vm.expectEmit();
        emit ISignerSet.SeatAdded(0, _operator(2));
        signerSet.execute(call);
        assertEq(signerSet.seatOf(_operator(2)), 0, "reused");
        assertEq(signerSet.seats().length, 2, "seats");
    }

    function test_addSeat_RevertWhen_CalledDirectly() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, GOVERNANCE));
        vm.prank(GOVERNANCE);
        signerSet.addSeat(_operator(5));
    }

    function test_addSeat_RevertWhen_OperatorIsSeatedOrZero() external {
        _expectRefused(
            abi.encodeCall(ISignerSet.addSeat, (_operator(1))),
            abi.encodeWithSelector(ISignerSet.SignerSet_OperatorSeated.selector, _operator(1), 1)
        );
        _expectRefused(
            abi.encodeCall(ISignerSet.addSeat, (address(0))),
            abi.encodePacked(ISignerSet.SignerSet_ZeroAddress.selector)
        );
    }

    function test_addSeat_RevertWhen_AllSeatsAreTaken() external {
        for (uint256 i = 2; i < 32; ++i) {
            _govern(signerSet, abi.encodeCall(ISignerSet.addSeat, (_operator(i))));
        }
        _expectRefused(
            abi.encodeCall(ISignerSet.addSeat, (_operator(32))),
            abi.encodeWithSelector(ISignerSet.SignerSet_TooManySeats.selector, 32)
        );
    }

    function test_removeSeat_EmptiesItAndStopsTheHubs() external {
        _addHub();
        hub.rebuild();
        _take(A);
        bytes memory call = abi.encodeCall(ISignerSet.removeSeat, (0));
        vm.prank(GOVERNANCE);
        signerSet.propose(call);
        vm.expectEmit();
        emit ISignerSet.SeatRemoved(0, _operator(0));
        signerSet.execute(call);
        assertTrue(!hub.isLive(), "stopped");
        assertEq(signerSet.entries()[0].signer, address(0), "empty");
        vm.expectRevert(abi.encodeWithSelector(ISignerSet.SignerSet_NoSeat.selector, _operator(0)));
        signerSet.seatOf(_operator(0));
    }

    function test_removeSeat_RevertWhen_CalledDirectlyOrFree() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, GUARDIAN));
        vm.prank(GUARDIAN);
        signerSet.removeSeat(0);
        _expectRefused(
            abi.encodeCall(ISignerSet.removeSeat, (7)),
            abi.encodeWithSelector(ISignerSet.SignerSet_NoSuchSeat.selector, 7)
        );
    }

    // --- take ---

    function test_take_PutsTheSignerIntoForceAtOnce() external {
        vm.expectEmit();
        emit ISignerSet.SeatTaken(0, 0, A, address(0));
        _take(A);
        SeatEntry[] memory entries = signerSet.entries();
        assertEq(entries.length, 4, "two positions a seat");
        assertEq(entries[0].signer, A, "signer");
        assertEq(entries[0].expiresAt, START + 30 days, "expiresAt");
        assertEq(entries[0].vendor, Vendor.INTEL, "vendor");
        assertEq(entries[0].tier, Tier.DIRECT, "tier");
    }

    function test_take_KeepsTheNewestOfTwo() external {
        _take(A);
        vm.warp(START + 3600);
        vm.expectEmit();
        emit ISignerSet.SeatTaken(0, 1, B, address(0));
        _take(B);
        vm.warp(START + 7200);
        vm.expectEmit();
        emit ISignerSet.SeatTaken(0, 0, C, A);
        _take(C);
        _assertPositions(C, B);
        assertEq(signerSet.seats()[0].newest, 0, "newest");
        assertEq(signerSet.seats()[0].takenAt, START + 7200, "takenAt");
    }

    function test_take_ReplacesTheNewestWhenItAloneIsInvalid() external {
        _take(A);
        vm.warp(START + 3600);
        _take(B);
        registry.revoke(B, ISignerSet(address(new NoHubs())));
        _take(C);
        _assertPositions(A, C);
    }

    function test_take_ReplacesTheOlderWhenBothAreInvalid() external {
        _take(A);
        vm.warp(START + 3600);
        _take(B);
        ISignerSet none = ISignerSet(address(new NoHubs()));
        registry.revoke(A, none);
        registry.revoke(B, none);
        _take(C);
        assertEq(signerSet.seats()[0].signer0, C, "the older gives way");
        assertEq(signerSet.seats()[0].signer1, B, "kept, though invalid");
        _assertPositions(C, address(0));
    }

    function test_take_DoesNotWaitWhenTheNewestHasExpired() external {
        registry.register(A, _operator(0), TeeKind.SGX, Tier.DIRECT, uint64(block.timestamp + 60));
        _take(A);
        vm.warp(START + 60);
        _take(B);
        _assertPositions(address(0), B);
    }

    function test_take_RevertWhen_TooSoon() external {
        _take(A);
        vm.warp(START + 3599);
        _expectTakeRefused(
            B,
            abi.encodeWithSelector(
                ISignerSet.SignerSet_TooSoon.selector, START + 3599, START + 3600
            )
        );
    }

    function test_take_RevertWhen_CallerIsNotTheOperator() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                ISignerSet.SignerSet_NotOperator.selector, GOVERNANCE, _operator(0)
            )
        );
        vm.prank(GOVERNANCE);
        signerSet.take(0, A);
    }

    function test_take_RevertWhen_SeatIsFree() external {
        vm.expectRevert(abi.encodeWithSelector(ISignerSet.SignerSet_NoSuchSeat.selector, 2));
        vm.prank(_operator(0));
        signerSet.take(2, A);
        _govern(signerSet, abi.encodeCall(ISignerSet.removeSeat, (0)));
        vm.expectRevert(abi.encodeWithSelector(ISignerSet.SignerSet_NoSuchSeat.selector, 0));
        vm.prank(address(0));
        signerSet.take(0, A);
    }

    function test_take_RevertWhen_SignerIsNotRegistered() external {
        _expectTakeRefused(
            STRANGER, abi.encodeWithSelector(ISignerSet.SignerSet_InvalidSigner.selector, STRANGER)
        );
    }

    function test_take_RevertWhen_SignerIsZero() external {
        _expectTakeRefused(
            address(0),
            abi.encodeWithSelector(ISignerSet.SignerSet_AlreadySeated.selector, address(0))
        );
    }

    function test_take_RevertWhen_SignerIsRevoked() external {
        registry.revoke(A, ISignerSet(address(new NoHubs())));
        _expectTakeRefused(
            A, abi.encodeWithSelector(ISignerSet.SignerSet_InvalidSigner.selector, A)
        );
    }

    function test_take_RevertWhen_SignerIsAnotherOperators() external {
        registry.register(A, _operator(1));
        _expectTakeRefused(
            A,
            abi.encodeWithSelector(
                ISignerSet.SignerSet_ForeignSigner.selector, _operator(1), _operator(0)
            )
        );
    }

    function test_take_RevertWhen_SignerIsSeated() external {
        _take(A);
        vm.warp(START + 3600);
        _expectTakeRefused(
            A, abi.encodeWithSelector(ISignerSet.SignerSet_AlreadySeated.selector, A)
        );
    }

    // --- entries ---

    function test_entries_LeaveOutWhoIsNoLongerValid() external {
        _take(A);
        registry.revoke(A, ISignerSet(address(new NoHubs())));
        _assertPositions(address(0), address(0));
    }

    function test_entries_NameTheVendorOfEachKindOfTee() external {
        uint8[8] memory vendors = [
            Vendor.INTEL,
            Vendor.INTEL,
            Vendor.AMD,
            Vendor.AWS,
            Vendor.ARM,
            Vendor.UNKNOWN,
            Vendor.UNKNOWN,
            Vendor.UNKNOWN
        ];
        _take(A);
        for (uint8 tee = 1; tee <= 8; ++tee) {
            registry.register(A, _operator(0), tee, Tier.TOKEN, uint64(START + 1));
            SeatEntry memory entry = signerSet.entries()[0];
            assertEq(entry.vendor, vendors[tee - 1], "vendor");
            assertEq(entry.tier, Tier.TOKEN, "tier");
            assertEq(entry.expiresAt, START + 1, "expiresAt");
        }
    }

    // --- hubs ---

    function test_clear_StopsEveryHub() external {
        IFeedHub[4] memory hubs;
        for (uint256 i = 0; i < 4; ++i) {
            _addHub();
            hub.rebuild();
            hubs[i] = hub;
        }
        assertEq(signerSet.hubs().length, 4, "hubs");
        vm.expectEmit();
        emit ISignerSet.HubsCleared(IMAGES);
        vm.prank(IMAGES);
        signerSet.clear();
        for (uint256 i = 0; i < 4; ++i) {
            assertTrue(!hubs[i].isLive(), "stopped");
            assertTrue(signerSet.isHub(address(hubs[i])), "added");
        }
    }

    function test_clear_RevertWhen_CallerIsNotTheImagePolicy() external {
        address[2] memory callers = [GOVERNANCE, address(registry)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ISignerSet.SignerSet_NotImagePolicy.selector, callers[i])
            );
            vm.prank(callers[i]);
            signerSet.clear();
        }
    }

    function test_clearFor_StopsEveryHubForASignerThatHasOrHadASeat() external {
        _addHub();
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(START + i * 1 hours);
            vm.prank(_operator(0));
            signerSet.take(0, [A, B, C][i]);
        }
        // A gave way to C, which the hub's table does not show before it is rebuilt.
        address[3] memory signers = [A, B, C];
        for (uint256 i = 0; i < signers.length; ++i) {
            hub.rebuild();
            vm.expectEmit();
            emit ISignerSet.HubsCleared(address(registry));
            vm.prank(address(registry));
            signerSet.clearFor(signers[i]);
            assertTrue(!hub.isLive(), "stopped");
        }
        _govern(signerSet, abi.encodeCall(ISignerSet.removeSeat, (0)));
        hub.rebuild();
        vm.prank(address(registry));
        signerSet.clearFor(B);
        assertTrue(!hub.isLive(), "stopped after the seat was freed");
    }

    /// @dev Or an operator with spare keys could stop every hub, again and again.
    function test_clearFor_StopsNobodyForASignerThatNeverHadASeat() external {
        _addHub();
        hub.rebuild();
        registry.revoke(A, signerSet);
        assertTrue(hub.isLive(), "live");
    }

    function test_clearFor_RevertWhen_CallerIsNotTheRegistry() external {
        address[2] memory callers = [GOVERNANCE, IMAGES];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ISignerSet.SignerSet_NotRegistry.selector, callers[i])
            );
            vm.prank(callers[i]);
            signerSet.clearFor(A);
        }
    }

    function test_addHub_RevertWhen_CalledDirectly() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, GOVERNANCE));
        vm.prank(GOVERNANCE);
        signerSet.addHub(IFeedHub(A));
    }

    function test_addHub_RevertWhen_KnownOrForeignOrOneTooMany() external {
        _addHub();
        _expectRefused(
            abi.encodeCall(ISignerSet.addHub, (hub)),
            abi.encodeWithSelector(ISignerSet.SignerSet_HubKnown.selector, address(hub))
        );
        ISignerSet other = _newSet(3600);
        IFeedHub foreign = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, other, _config(1, 1));
        _expectRefused(
            abi.encodeCall(ISignerSet.addHub, (foreign)),
            abi.encodeWithSelector(
                ISignerSet.SignerSet_ForeignHub.selector, address(other), address(signerSet)
            )
        );
        for (uint256 i = 1; i < 4; ++i) {
            _addHub();
        }
        foreign = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(1, 1));
        _expectRefused(
            abi.encodeCall(ISignerSet.addHub, (foreign)),
            abi.encodeWithSelector(ISignerSet.SignerSet_TooManyHubs.selector, 4)
        );
    }

    // --- construction ---

    function test_constructor_KeepsItsContracts() external view {
        assertEq(signerSet.registry(), address(registry), "registry");
        assertEq(signerSet.imagePolicy(), IMAGES, "image policy");
        assertEq(signerSet.reseatInterval_s(), 3600, "interval");
    }

    function test_constructor_RevertWhen_AContractIsZero() external {
        vm.expectRevert(ISignerSet.SignerSet_ZeroAddress.selector);
        Deploy.signerSet(
            GOVERNANCE, GUARDIAN, 0, IAttestationRegistry(address(0)), IImagePolicy(IMAGES), 0
        );
        vm.expectRevert(ISignerSet.SignerSet_ZeroAddress.selector);
        Deploy.signerSet(
            GOVERNANCE, GUARDIAN, 0, IAttestationRegistry(A), IImagePolicy(address(0)), 0
        );
    }

    function test_constructor_RevertWhen_IntervalIsTooShortForThisChain() external {
        vm.chainId(1);
        vm.expectRevert(
            abi.encodeWithSelector(ISignerSet.SignerSet_IntervalTooShort.selector, 3599, 3600)
        );
        Deploy.signerSet(
            GOVERNANCE, GUARDIAN, 2 days, IAttestationRegistry(A), IImagePolicy(IMAGES), 3599
        );
    }

    // --- helpers ---

    function _newSet(uint256 interval_s) private returns (ISignerSet) {
        return Deploy.signerSet(
            GOVERNANCE,
            GUARDIAN,
            0,
            IAttestationRegistry(address(registry)),
            IImagePolicy(IMAGES),
            interval_s
        );
    }

    function _addHub() private {
        hub = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(1, 1));
        _govern(signerSet, abi.encodeCall(ISignerSet.addHub, (hub)));
    }

    function _take(address signer) private {
        vm.prank(_operator(0));
        signerSet.take(0, signer);
    }

    function _expectTakeRefused(address signer, bytes memory reason) private {
        vm.expectRevert(reason);
        _take(signer);
    }

    function _expectRefused(bytes memory call, bytes memory reason) private {
        vm.prank(GOVERNANCE);
        signerSet.propose(call);
        vm.expectRevert(reason);
        signerSet.execute(call);
    }

    function _assertPositions(address first, address second) private view {
        SeatEntry[] memory entries = signerSet.entries();
        assertEq(entries[0].signer, first, "position 0");
        assertEq(entries[1].signer, second, "position 1");
    }
}

/// @notice Stands where a registry would clear a signer set, and does nothing.
contract NoHubs {
    function clearFor(address) external {}
}
