// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedHub} from "./IFeedHub.sol";
import {IGoverned} from "./IGoverned.sol";

/// @notice A seat: an operator and the two positions its attested signers may hold.
/// @dev Two positions let a rotation overlap; a seat counts once in a report whatever it holds.
struct Seat {
    /// @dev Zero: the seat is free.
    address operator;
    /// @dev The signer in position 2 * seat, or zero.
    address signer0;
    /// @dev The signer in position 2 * seat + 1, or zero.
    address signer1;
    /// @dev Which of the two was taken last: 0 or 1.
    uint8 newest;
    /// @dev When it was taken, in seconds since the epoch; 0 if never.
    uint64 takenAt;
}

/// @notice What a hub needs to know of one position. All zero: nobody there can sign.
struct SeatEntry {
    address signer;
    /// @dev First moment, in seconds since the epoch, at which its signature counts no longer.
    uint64 expiresAt;
    /// @dev Hardware vendor; see `Vendor`.
    uint8 vendor;
    /// @dev How its evidence was checked; see `Tier`. Larger is weaker.
    uint8 tier;
}

/// @title Seats and the signers in them
/// @notice Governance seats operators, under a delay. An operator puts a signer that the registry holds
///         valid into its own seat, at once. Nobody can put a signer into a seat of somebody else.
/// @dev Hubs copy `entries()` on `rebuild`; a change is not in force on a hub before that, except that
///      every hub is stopped in the transaction that revokes a signer that had a seat, or withdraws an image.
interface ISignerSet is IGoverned {
    /// @notice The caller is not the registry.
    error SignerSet_NotRegistry(address seen);
    /// @notice The caller is not the image policy.
    error SignerSet_NotImagePolicy(address seen);
    /// @notice The zero address cannot be registry, image policy or operator.
    error SignerSet_ZeroAddress();
    /// @notice A reseat interval under an hour is for local chains only.
    error SignerSet_IntervalTooShort(uint256 seen_s, uint256 wanted_s);
    /// @notice All seats are taken.
    error SignerSet_TooManySeats(uint256 wanted);
    /// @notice The operator has a seat already; one operator is one seat.
    error SignerSet_OperatorSeated(address operator, uint8 seat);
    /// @notice The seat is free or does not exist.
    error SignerSet_NoSuchSeat(uint8 seat);
    /// @notice The operator has no seat.
    error SignerSet_NoSeat(address operator);
    /// @notice The caller is not the seat's operator.
    error SignerSet_NotOperator(address seen, address wanted);
    /// @notice The signer was registered by another operator than the seat's.
    error SignerSet_ForeignSigner(address seen, address wanted);
    /// @notice The registry does not hold the signer valid: unknown, expired, revoked or image withdrawn.
    error SignerSet_InvalidSigner(address signer);
    /// @notice The signer is in this seat already.
    error SignerSet_AlreadySeated(address signer);
    /// @notice The seat changed too recently and its newest signer is still valid.
    error SignerSet_TooSoon(uint256 seen_at, uint256 wanted_at);
    /// @notice The most hubs are added already.
    error SignerSet_TooManyHubs(uint256 wanted);
    /// @notice The hub is added already.
    error SignerSet_HubKnown(address hub);
    /// @notice The hub takes its signers from another set.
    error SignerSet_ForeignHub(address seen, address wanted);

    /// @notice An operator got a seat.
    event SeatAdded(uint8 indexed seat, address indexed operator);
    /// @notice A seat was taken from its operator; its signers left with it.
    event SeatRemoved(uint8 indexed seat, address indexed operator);
    /// @notice A signer took position 2 * seat + (0 or 1).
    /// @param replaced The signer that was there, or zero.
    event SeatTaken(
        uint8 indexed seat, uint8 indexed position, address indexed signer, address replaced
    );
    /// @notice A hub will be cleared from now on when a signer that had a seat is revoked or an image withdrawn.
    event HubAdded(address indexed hub);
    /// @notice All hubs were stopped until somebody rebuilds them.
    event HubsCleared(address by);

    /// @notice Seat an operator in the lowest free seat (at most 32). Through `execute` only.
    function addSeat(address operator) external returns (uint8 seat);

    /// @notice Free a seat and stop all hubs until they are rebuilt. Through `execute` only.
    function removeSeat(uint8 seat) external;

    /// @notice Add a hub to those that `clear` stops (at most 4). Through `execute` only.
    function addHub(IFeedHub hub) external;

    /// @notice Put a valid registered signer into the caller's own seat.
    /// @dev The older signer gives way and the newest stays, unless only the newest is invalid. At most
    ///      once in `reseatInterval_s`, unless the seat's newest signer is invalid or there is none.
    /// @param seat The caller's seat.
    /// @param signer A signer that this operator registered.
    function take(uint8 seat, address signer) external;

    /// @notice Stop every hub until somebody rebuilds it. Image policy only.
    /// @dev Does not revert for it: a withdrawal cannot be blocked.
    function clear() external;

    /// @notice Stop every hub until somebody rebuilds it, if a signer is, or ever was, in a seat. Registry only.
    /// @dev Does not revert for it: a revocation cannot be blocked. A signer that no seat ever had is in no
    ///      hub's table; whoever revokes such spare keys of its own stops nobody.
    function clearFor(address signer) external;

    /// @notice The seat of an operator; reverts if it has none.
    function seatOf(address operator) external view returns (uint8 seat);

    /// @notice All seats, free ones included, by number.
    function seats() external view returns (Seat[] memory);

    /// @notice The positions as a hub should have them now: 2 for each seat, zero where nobody valid is.
    /// @dev Asks the registry for each signer: revoked, expired and withdrawn ones are left out.
    function entries() external view returns (SeatEntry[] memory);

    /// @notice The hubs that `clear` stops.
    function hubs() external view returns (IFeedHub[] memory);

    /// @notice Whether `clear` stops this hub. A hub refuses to go live before.
    function isHub(address hub) external view returns (bool);

    /// @notice The registry that says which signers are valid.
    function registry() external view returns (address);

    /// @notice The image policy that may clear the hubs.
    function imagePolicy() external view returns (address);

    /// @notice Seconds between two changes of a seat whose newest signer is valid.
    function reseatInterval_s() external view returns (uint256);
}
