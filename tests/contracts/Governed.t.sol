// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "contracts/Governed.sol";
import {IGoverned} from "contracts/interfaces/IGoverned.sol";

import {Test} from "./Vm.sol";

contract GovernedCounter is Governed {
    error GovernedCounter_Refused(uint256 seen);

    uint256 public count;

    constructor(address governance_, address guardian_, uint256 minDelay_s)
        Governed(governance_, guardian_, minDelay_s)
    {}

    function set(uint256 count_) external onlySelf {
        require(count_ != 13, GovernedCounter_Refused(count_));
        count = count_;
    }
}

contract GovernedTest is Test {
    address private constant GOVERNANCE = address(0x60);
    address private constant GUARDIAN = address(0x61);
    address private constant STRANGER = address(0x62);
    uint256 private constant DELAY_S = 2 days;
    uint256 private constant START = 1_790_000_000;

    GovernedCounter private counter;
    bytes private call = abi.encodeCall(GovernedCounter.set, (7));
    bytes32 private actionId = keccak256(abi.encodeCall(GovernedCounter.set, (7)));

    function setUp() external {
        vm.warp(START);
        vm.chainId(1);
        counter = new GovernedCounter(GOVERNANCE, GUARDIAN, DELAY_S);
    }

    function test_constructor_KeepsRolesAndDelay() external view {
        assertEq(counter.governance(), GOVERNANCE, "governance");
        assertEq(counter.guardian(), GUARDIAN, "guardian");
        assertEq(counter.minDelay(), DELAY_S, "delay");
    }

    function test_constructor_AllowsNoDelayOnLocalChains() external {
        uint64[2] memory ids = [uint64(31_337), 1337];
        for (uint256 i = 0; i < 2; ++i) {
            vm.chainId(ids[i]);
            assertEq(new GovernedCounter(GOVERNANCE, GUARDIAN, 0).minDelay(), 0, "delay");
        }
    }

    function test_constructor_RevertWhen_DelayIsTooShortForThisChain() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_DelayTooShort.selector, 2 days - 1, 2 days)
        );
        new GovernedCounter(GOVERNANCE, GUARDIAN, 2 days - 1);
    }

    function test_constructor_RevertWhen_DelayIsTooLong() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_DelayTooLong.selector, 60 days + 1, 60 days)
        );
        new GovernedCounter(GOVERNANCE, GUARDIAN, 60 days + 1);
    }

    function test_constructor_RevertWhen_ARoleIsZero() external {
        vm.expectRevert(IGoverned.Governed_ZeroAddress.selector);
        new GovernedCounter(address(0), GUARDIAN, DELAY_S);
        vm.expectRevert(IGoverned.Governed_ZeroAddress.selector);
        new GovernedCounter(GOVERNANCE, address(0), DELAY_S);
    }

    function test_propose_AnnouncesTheWholeCall() external {
        vm.expectEmit();
        emit IGoverned.ActionProposed(actionId, call, START + DELAY_S);
        _propose();
        assertEq(counter.executableAt(actionId), START + DELAY_S, "executableAt");
    }

    function test_propose_RevertWhen_CallerIsNotGovernance() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_NotGovernance.selector, GUARDIAN, GOVERNANCE)
        );
        vm.prank(GUARDIAN);
        counter.propose(call);
    }

    function test_propose_RevertWhen_CallIsTooShortOrTooLong() external {
        vm.startPrank(GOVERNANCE);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_CallLength.selector, 3, 4));
        counter.propose(hex"010203");
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_CallLength.selector, 32_769, 32_768)
        );
        counter.propose(new bytes(32_769));
    }

    function test_propose_RevertWhen_TheSameCallWaits() external {
        _propose();
        vm.expectRevert(
            abi.encodeWithSelector(
                IGoverned.Governed_AlreadyProposed.selector, actionId, START + DELAY_S
            )
        );
        _propose();
    }

    function test_propose_TakesALapsedCallAnew() external {
        _propose();
        vm.warp(START + DELAY_S + 14 days + 1);
        _propose();
        assertEq(counter.executableAt(actionId), block.timestamp + DELAY_S, "executableAt");
    }

    function test_execute_CallsItselfOnceForAnyone() external {
        _propose();
        vm.warp(START + DELAY_S);
        vm.expectEmit();
        emit IGoverned.ActionExecuted(actionId, STRANGER);
        vm.prank(STRANGER);
        counter.execute(call);
        assertEq(counter.count(), 7, "count");
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotProposed.selector, actionId));
        counter.execute(call);
    }

    function test_execute_WorksUpToTheEndOfTheGrace() external {
        _propose();
        vm.warp(START + DELAY_S + 14 days);
        counter.execute(call);
        assertEq(counter.count(), 7, "count");
    }

    function test_execute_RevertWhen_NotProposed() external {
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotProposed.selector, actionId));
        counter.execute(call);
    }

    function test_execute_RevertWhen_TooEarly() external {
        _propose();
        vm.warp(START + DELAY_S - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGoverned.Governed_TooEarly.selector, START + DELAY_S - 1, START + DELAY_S
            )
        );
        counter.execute(call);
    }

    function test_execute_RevertWhen_Lapsed() external {
        _propose();
        uint256 end = START + DELAY_S + 14 days;
        vm.warp(end + 1);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_Lapsed.selector, end + 1, end));
        counter.execute(call);
    }

    function test_execute_RevertWhen_TheCallReverts_WithItsReasonAndStaysProposed() external {
        call = abi.encodeCall(GovernedCounter.set, (13));
        _propose();
        vm.warp(START + DELAY_S);
        vm.expectRevert(
            abi.encodeWithSelector(GovernedCounter.GovernedCounter_Refused.selector, 13)
        );
        counter.execute(call);
        assertEq(counter.executableAt(keccak256(call)), START + DELAY_S, "still waits");
    }

    function test_cancel_WithdrawsForGuardianAndGovernance() external {
        address[2] memory roles = [GUARDIAN, GOVERNANCE];
        for (uint256 i = 0; i < 2; ++i) {
            _propose();
            vm.expectEmit();
            emit IGoverned.ActionCancelled(actionId, roles[i]);
            vm.prank(roles[i]);
            counter.cancel(actionId);
            assertEq(counter.executableAt(actionId), 0, "gone");
        }
    }

    function test_cancel_RevertWhen_StrangerCallsOrNothingWaits() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.Governed_NotGuardian.selector, STRANGER, GUARDIAN)
        );
        vm.prank(STRANGER);
        counter.cancel(actionId);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.Governed_NotProposed.selector, actionId));
        vm.prank(GUARDIAN);
        counter.cancel(actionId);
    }

    function test_setGovernance_HandsOverByProposal() external {
        call = abi.encodeCall(IGoverned.setGovernance, (STRANGER));
        _propose();
        vm.warp(START + DELAY_S);
        vm.expectEmit();
        emit IGoverned.GovernanceChanged(STRANGER);
        counter.execute(call);
        assertEq(counter.governance(), STRANGER, "governance");
    }

    function test_setGuardian_ReplacesByProposal() external {
        call = abi.encodeCall(IGoverned.setGuardian, (STRANGER));
        _propose();
        vm.warp(START + DELAY_S);
        vm.expectEmit();
        emit IGoverned.GuardianChanged(STRANGER);
        counter.execute(call);
        assertEq(counter.guardian(), STRANGER, "guardian");
    }

    function test_setters_RevertWhen_CalledDirectly() external {
        vm.startPrank(GOVERNANCE);
        bytes memory reason =
            abi.encodeWithSelector(IGoverned.Governed_NotSelf.selector, GOVERNANCE);
        vm.expectRevert(reason);
        counter.setGovernance(STRANGER);
        vm.expectRevert(reason);
        counter.setGuardian(STRANGER);
        vm.expectRevert(reason);
        counter.set(1);
    }

    function _propose() private {
        vm.prank(GOVERNANCE);
        counter.propose(call);
    }
}
