// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Governance by delayed self-call
/// @notice A function that loosens a guarantee can be reached only through `propose` and, after a
///         delay fixed at construction, `execute`. What tightens one may be instant.
/// @dev There is no proxy and no path that sets a price or a signer.
interface IGoverned {
    /// @notice The caller is not the contract itself: the function is reached through `execute` only.
    error Governed_NotSelf(address seen);
    /// @notice The caller is not the governance.
    error Governed_NotGovernance(address seen, address wanted);
    /// @notice The caller is neither the guardian nor the governance.
    error Governed_NotGuardian(address seen, address wanted);
    /// @notice The delay is too short for this chain. Zero is for chain ids 31337 and 1337 alone.
    error Governed_DelayTooShort(uint256 seen_s, uint256 wanted_s);
    /// @notice The delay is longer than the maximum: a typing error would freeze the contract.
    error Governed_DelayTooLong(uint256 seen_s, uint256 wanted_s);
    /// @notice The zero address cannot hold a role.
    error Governed_ZeroAddress();
    /// @notice The call has more bytes than the maximum, or fewer than a selector.
    error Governed_CallLength(uint256 seen, uint256 wanted);
    /// @notice The same call waits already.
    error Governed_AlreadyProposed(bytes32 actionId, uint256 executableAt);
    /// @notice No such action waits: never proposed, executed, cancelled, or another call.
    error Governed_NotProposed(bytes32 actionId);
    /// @notice The delay is not over.
    error Governed_TooEarly(uint256 seen_at, uint256 wanted_at);
    /// @notice The action was not executed within its grace period and lapsed.
    error Governed_Lapsed(uint256 seen_at, uint256 wanted_at);

    /// @notice The governance announced a call of this contract to itself.
    /// @param actionId keccak256 of the call.
    /// @param call Selector and ABI-encoded arguments.
    /// @param executableAt First second at which anyone may execute it.
    event ActionProposed(bytes32 indexed actionId, bytes call, uint256 executableAt);
    /// @notice A proposed call was carried out.
    event ActionExecuted(bytes32 indexed actionId, address by);
    /// @notice A proposed call was withdrawn.
    event ActionCancelled(bytes32 indexed actionId, address by);
    /// @notice The governance was fixed at construction or handed over.
    event GovernanceChanged(address indexed governance);
    /// @notice The guardian was fixed at construction or replaced.
    event GuardianChanged(address indexed guardian);

    /// @notice May propose and cancel actions, and do what the guardian may.
    function governance() external view returns (address);

    /// @notice May cancel actions, pause, revoke and withdraw; cannot loosen anything.
    function guardian() external view returns (address);

    /// @notice Seconds between a proposal and its first possible execution.
    function minDelay() external view returns (uint256);

    /// @notice When a waiting action becomes executable, in seconds since the epoch; 0 if none waits.
    function executableAt(bytes32 actionId) external view returns (uint256);

    /// @notice Announce a call of this contract to itself. Governance only.
    /// @param call Selector and ABI-encoded arguments, 4 to 32,768 bytes.
    /// @return actionId keccak256 of the call. The same call may wait only once; when it was
    ///         executed, cancelled or has lapsed it may be proposed again.
    function propose(bytes calldata call) external returns (bytes32 actionId);

    /// @notice Carry out a proposed call, at least `minDelay` and at most `minDelay` + 14 days after
    ///         its proposal. Anyone may call; a revert of the call is passed on and the action stays.
    function execute(bytes calldata call) external;

    /// @notice Withdraw a proposed call. Governance or guardian.
    function cancel(bytes32 actionId) external;

    /// @notice Hand the governance over. Through `execute` only.
    function setGovernance(address governance) external;

    /// @notice Replace the guardian. Through `execute` only.
    function setGuardian(address guardian) external;
}
