// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "./interfaces/IGoverned.sol";
import {Revert} from "./libraries/Revert.sol";

/// @title Governance by delayed self-call; see `IGoverned`
abstract contract Governed is IGoverned {
    uint256 private constant LIVE_MIN_DELAY_S = 2 days;
    uint256 private constant MAX_DELAY_S = 60 days;
    uint256 private constant GRACE_S = 14 days;
    uint256 private constant MAX_CALL_BYTES = 32_768;

    uint256 private immutable _minDelay_s;

    address private _governance;
    address private _guardian;
    mapping(bytes32 actionId => uint256 executableAt) private _executableAt;

    modifier onlySelf() {
        _requireSelf();
        _;
    }

    modifier onlyGovernance() {
        _requireGovernance();
        _;
    }

    /// @dev Governance may do whatever the guardian may.
    modifier onlyGuardian() {
        _requireGuardian();
        _;
    }

    constructor(address governance_, address guardian_, uint256 minDelay_s) {
        uint256 shortest_s = _isLocalChain() ? 0 : LIVE_MIN_DELAY_S;
        require(minDelay_s >= shortest_s, Governed_DelayTooShort(minDelay_s, shortest_s));
        require(minDelay_s <= MAX_DELAY_S, Governed_DelayTooLong(minDelay_s, MAX_DELAY_S));
        _minDelay_s = minDelay_s;
        _setGovernance(governance_);
        _setGuardian(guardian_);
    }

    /// @inheritdoc IGoverned
    function propose(bytes calldata call) external onlyGovernance returns (bytes32 actionId) {
        require(call.length >= 4, Governed_CallLength(call.length, 4));
        require(call.length <= MAX_CALL_BYTES, Governed_CallLength(call.length, MAX_CALL_BYTES));
        actionId = keccak256(call);
        uint256 waiting = _executableAt[actionId];
        require(
            waiting == 0 || block.timestamp > waiting + GRACE_S,
            Governed_AlreadyProposed(actionId, waiting)
        );
        uint256 from = block.timestamp + _minDelay_s;
        _executableAt[actionId] = from;
        emit ActionProposed(actionId, call, from);
    }

    /// @inheritdoc IGoverned
    function execute(bytes calldata call) external {
        bytes32 actionId = keccak256(call);
        uint256 from = _executableAt[actionId];
        require(from != 0, Governed_NotProposed(actionId));
        require(block.timestamp >= from, Governed_TooEarly(block.timestamp, from));
        require(block.timestamp <= from + GRACE_S, Governed_Lapsed(block.timestamp, from + GRACE_S));
        delete _executableAt[actionId];
        emit ActionExecuted(actionId, msg.sender);
        (bool isDone, bytes memory result) = address(this).call(call);
        if (!isDone) Revert.bubble(result);
    }

    /// @inheritdoc IGoverned
    function cancel(bytes32 actionId) external onlyGuardian {
        require(_executableAt[actionId] != 0, Governed_NotProposed(actionId));
        delete _executableAt[actionId];
        emit ActionCancelled(actionId, msg.sender);
    }

    /// @inheritdoc IGoverned
    function setGovernance(address governance_) external onlySelf {
        _setGovernance(governance_);
    }

    /// @inheritdoc IGoverned
    function setGuardian(address guardian_) external onlySelf {
        _setGuardian(guardian_);
    }

    /// @inheritdoc IGoverned
    function executableAt(bytes32 actionId) external view returns (uint256) {
        return _executableAt[actionId];
    }

    /// @inheritdoc IGoverned
    function minDelay() external view returns (uint256) {
        return _minDelay_s;
    }

    /// @inheritdoc IGoverned
    function governance() public view returns (address) {
        return _governance;
    }

    /// @inheritdoc IGoverned
    function guardian() public view returns (address) {
        return _guardian;
    }

    function _isLocalChain() internal view returns (bool) {
        return block.chainid == 31_337 || block.chainid == 1337;
    }

    function _requireSelf() internal view {
        require(msg.sender == address(this), Governed_NotSelf(msg.sender));
    }

    function _requireGovernance() internal view {
        require(msg.sender == _governance, Governed_NotGovernance(msg.sender, _governance));
    }

    function _requireGuardian() internal view {
        require(
            msg.sender == _guardian || msg.sender == _governance,
            Governed_NotGuardian(msg.sender, _guardian)
        );
    }

    function _setGovernance(address governance_) private {
        require(governance_ != address(0), Governed_ZeroAddress());
        _governance = governance_;
        emit GovernanceChanged(governance_);
    }

    function _setGuardian(address guardian_) private {
        require(guardian_ != address(0), Governed_ZeroAddress());
        _guardian = guardian_;
        emit GuardianChanged(guardian_);
    }
}
