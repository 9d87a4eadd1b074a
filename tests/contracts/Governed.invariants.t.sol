// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GovernedCounter} from "./Governed.t.sol";
import {Test} from "./Vm.sol";

/// @notice Governance, guardian and strangers propose, execute and cancel; and when each call took effect.
contract GovernedHandler is Test {
    address private constant GOVERNANCE = address(0x60);
    address private constant GUARDIAN = address(0x61);
    uint256 private constant DELAY_S = 2 days;
    uint256 private constant GRACE_S = 14 days;
    uint256 private constant CALLS = 4;

    GovernedCounter private _counter;
    /// @dev When the last proposal of a call was made; 0 when it was executed or cancelled since.
    mapping(uint256 which => uint256 time) private _proposedAt;

    uint256 public executed;
    uint256 public executedTooEarly;
    uint256 public executedTooLate;
    uint256 public executedUnproposed;
    uint256 public changedOtherwise;
    uint256 private _count;

    constructor() {
        vm.chainId(1);
        vm.warp(1_790_000_000);
        _counter = new GovernedCounter(GOVERNANCE, GUARDIAN, DELAY_S);
    }

    function propose(uint256 which, uint256 by) external {
        vm.prank(_caller(by));
        try _counter.propose(_call(which)) {
            _proposedAt[which % CALLS] = block.timestamp;
        } catch {}
        _noteOthers();
    }

    function execute(uint256 which, uint256 by) external {
        uint256 proposedAt = _proposedAt[which % CALLS];
        vm.prank(_caller(by));
        try _counter.execute(_call(which)) {
            ++executed;
            if (proposedAt == 0) ++executedUnproposed;
            if (block.timestamp < proposedAt + DELAY_S) ++executedTooEarly;
            if (block.timestamp > proposedAt + DELAY_S + GRACE_S) ++executedTooLate;
            delete _proposedAt[which % CALLS];
            _count = _counter.count();
        } catch {}
        _noteOthers();
    }

    function cancel(uint256 which, uint256 by) external {
        vm.prank(_caller(by));
        try _counter.cancel(keccak256(_call(which))) {
            delete _proposedAt[which % CALLS];
        } catch {}
        _noteOthers();
    }

    /// @dev Anyone but the contract itself.
    function callDirectly(uint256 which, uint256 by) external {
        vm.prank(_caller(by));
        (bool isDone,) = address(_counter).call(_call(which));
        if (isDone) ++changedOtherwise;
        _noteOthers();
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % (seconds_ % 8 == 0 ? 20 days : 2 days));
    }

    function _noteOthers() private {
        if (_counter.count() != _count) ++changedOtherwise;
    }

    function _caller(uint256 by) private pure returns (address) {
        return [GOVERNANCE, GOVERNANCE, GUARDIAN, address(0x62)][by % 4];
    }

    function _call(uint256 which) private pure returns (bytes memory) {
        return abi.encodeCall(GovernedCounter.set, (1 + which % CALLS));
    }
}

contract GovernedInvariantsTest is Test {
    GovernedHandler private handler;

    function setUp() external {
        handler = new GovernedHandler();
    }

    /// @notice What forge calls at random.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_proposalWaitsItsDelayAndLapses() external view {
        assertEq(handler.executedTooEarly(), 0, "too early");
        assertEq(handler.executedTooLate(), 0, "lapsed");
    }

    function invariant_proposalIsExecutedAtMostOnce() external view {
        assertEq(handler.executedUnproposed(), 0, "not proposed, cancelled or executed before");
    }

    function invariant_nothingButAProposalTakesEffect() external view {
        assertEq(handler.changedOtherwise(), 0, "changed without a proposal");
    }

    /// @dev The handler is not idle: a proposal takes effect after its delay.
    function test_handler_ExecutesProposals() external {
        handler.propose(1, 0);
        handler.execute(1, 3);
        assertEq(handler.executed(), 0, "too early");
        handler.pass(2 days - 1);
        handler.pass(1);
        handler.execute(1, 3);
        assertEq(handler.executed(), 1, "executed");
    }
}
