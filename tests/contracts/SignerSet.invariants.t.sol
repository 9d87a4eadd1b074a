// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationRegistry} from "contracts/interfaces/IAttestationRegistry.sol";
import {IFeedHub} from "contracts/interfaces/IFeedHub.sol";
import {IImagePolicy} from "contracts/interfaces/IImagePolicy.sol";
import {ISignerSet, Seat} from "contracts/interfaces/ISignerSet.sol";

import {Deploy} from "./Deploy.sol";
import {FeedHubSetup} from "./FeedHubSetup.sol";
import {FakeRegistry} from "./fakes/FakeRegistry.sol";

/// @notice Operators, some of them without a seat, governance and the registry at work on one signer set with two
///         hubs; and what they did.
contract SignerSetHandler is FeedHubSetup {
    uint256 public constant OPERATORS = 6;
    /// @dev Signer i belongs to operator i % `OPERATORS`.
    uint256 public constant SIGNERS = 30;
    uint256 public constant INTERVAL_S = 1 hours;

    uint256 public taken;
    uint256 public takenTooSoon;
    uint256 public takenByOthers;
    uint256 public hubsLeftLive;
    uint256 public hubsStoppedForNobody;

    mapping(address signer => bool was) private _wasSeated;

    constructor() {
        vm.warp(START);
        registry = new FakeRegistry();
        signerSet = Deploy.signerSet({
            governance: GOVERNANCE,
            guardian: GUARDIAN,
            minDelay_s: 0,
            registry: IAttestationRegistry(address(registry)),
            images: IImagePolicy(IMAGES),
            reseatInterval_s: INTERVAL_S
        });
        for (uint8 m = 1; m < 3; ++m) {
            hub = Deploy.feedHub(GOVERNANCE, GUARDIAN, 0, signerSet, _config(m, 1));
            _govern(signerSet, abi.encodeCall(ISignerSet.addHub, (hub)));
        }
        for (uint256 i = 0; i < SIGNERS; ++i) {
            uint64 expiresAt = uint64(START + (1 + i) * 12 hours);
            registry.register(_signer(i), _operator(i % OPERATORS), 1, 1, expiresAt);
        }
        for (uint256 i = 0; i < OPERATORS - 2; ++i) {
            _govern(signerSet, abi.encodeCall(ISignerSet.addSeat, (_operator(i))));
        }
    }

    /// @dev Most often the operator of the seat, with a signer of its own.
    function take(uint8 seat, uint256 who, uint256 signer, bool isWild) external {
        Seat[] memory seats = signerSet.seats();
        seat = uint8(seat % (seats.length + 1));
        address caller = _operator(who % OPERATORS);
        if (!isWild && seat < seats.length && seats[seat].operator != address(0)) {
            caller = seats[seat].operator;
            signer = signer % (SIGNERS / OPERATORS) * OPERATORS + uint160(caller) - 0x1000;
        }
        vm.prank(caller);
        try signerSet.take(seat, _signer(signer % SIGNERS)) {
            ++taken;
            _wasSeated[_signer(signer % SIGNERS)] = true;
            if (seats[seat].operator != caller) ++takenByOthers;
            address newest = seats[seat].newest == 0 ? seats[seat].signer0 : seats[seat].signer1;
            bool isHealthy = registry.signerInfo(newest).valid;
            if (isHealthy && block.timestamp < seats[seat].takenAt + INTERVAL_S) ++takenTooSoon;
        } catch {}
    }

    function addSeat(uint256 who) external {
        _tryToGovern(abi.encodeCall(ISignerSet.addSeat, (_operator(who % OPERATORS))));
    }

    function removeSeat(uint8 seat) external {
        // Not too often, or little else would happen.
        if (seat % 4 == 0) _tryToGovern(abi.encodeCall(ISignerSet.removeSeat, (seat / 4 % 6)));
    }

    function revoke(uint256 signer) external {
        IFeedHub[] memory hubs = signerSet.hubs();
        bool[] memory wereLive = new bool[](hubs.length);
        for (uint256 i = 0; i < hubs.length; ++i) {
            wereLive[i] = hubs[i].isLive();
        }
        address who = _signer(signer % SIGNERS);
        registry.revoke(who, signerSet);
        for (uint256 i = 0; i < hubs.length; ++i) {
            if (_wasSeated[who] && hubs[i].isLive()) ++hubsLeftLive;
            if (!_wasSeated[who] && hubs[i].isLive() != wereLive[i]) ++hubsStoppedForNobody;
        }
    }

    function rebuild(uint256 which) external {
        IFeedHub[] memory hubs = signerSet.hubs();
        try hubs[which % hubs.length].rebuild() {} catch {}
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 2 hours);
    }

    function theSet() external view returns (ISignerSet) {
        return signerSet;
    }

    function operatorOf(address signer) external view returns (address) {
        return registry.signerInfo(signer).operator;
    }

    function _tryToGovern(bytes memory call) private {
        vm.prank(GOVERNANCE);
        (bool isDone,) = address(signerSet).call(abi.encodeCall(signerSet.propose, (call)));
        (isDone,) = address(signerSet).call(abi.encodeCall(signerSet.execute, (call)));
        // Neither may be possible: a seat is taken or free already.
        isDone;
    }
}

contract SignerSetInvariantsTest is FeedHubSetup {
    SignerSetHandler private handler;
    ISignerSet private set;

    function setUp() external {
        handler = new SignerSetHandler();
        set = handler.theSet();
        vm.warp(START);
    }

    /// @notice What forge calls at random.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_seatHoldsItsOperatorsSigners() external view {
        Seat[] memory seats = set.seats();
        for (uint256 i = 0; i < seats.length; ++i) {
            address[2] memory signers = [seats[i].signer0, seats[i].signer1];
            for (uint256 half = 0; half < 2; ++half) {
                if (signers[half] == address(0)) continue;
                assertEq(handler.operatorOf(signers[half]), seats[i].operator, "operator");
            }
        }
        assertEq(handler.takenByOthers(), 0, "taken by somebody else");
    }

    function invariant_operatorHasOneSeat() external view {
        Seat[] memory seats = set.seats();
        for (uint256 i = 0; i < seats.length; ++i) {
            if (seats[i].operator == address(0)) continue;
            assertEq(set.seatOf(seats[i].operator), i, "seat");
        }
    }

    function invariant_signerHasOnePosition() external view {
        Seat[] memory seats = set.seats();
        for (uint256 p = 0; p < 2 * seats.length; ++p) {
            for (uint256 q = p + 1; q < 2 * seats.length; ++q) {
                address signer = _at(seats, p);
                assertTrue(signer == address(0) || signer != _at(seats, q), "twice");
            }
        }
    }

    function invariant_healthySeatWaitsForItsInterval() external view {
        assertEq(handler.takenTooSoon(), 0, "taken too soon");
    }

    function invariant_revocationStopsEveryHub() external view {
        assertEq(handler.hubsLeftLive(), 0, "left live");
        assertEq(handler.hubsStoppedForNobody(), 0, "stopped for a signer without a seat");
    }

    /// @dev The handler is not idle: seats are taken and hubs go live.
    function test_handler_TakesSeatsAndRebuilds() external {
        handler.take(0, 0, 0, false);
        handler.take(1, 0, 2, false);
        assertEq(handler.taken(), 2, "taken");
        handler.take(0, 0, 1, false);
        assertEq(handler.taken(), 2, "too soon");
        handler.rebuild(0);
        assertTrue(set.hubs()[0].isLive(), "live");
        handler.revoke(0);
        assertTrue(!set.hubs()[0].isLive(), "stopped");
        handler.take(0, 0, 1, false);
        assertEq(handler.taken(), 3, "at once after a revocation");
    }

    function _at(Seat[] memory seats, uint256 position) private pure returns (address) {
        Seat memory seat = seats[position / 2];
        return position % 2 == 0 ? seat.signer0 : seat.signer1;
    }
}
