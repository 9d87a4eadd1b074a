// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guards} from "../consumers/OracleReader.sol";
import {AggregatorV3Interface} from "./AggregatorV3Interface.sol";
import {IFeedHub} from "./IFeedHub.sol";

/// @notice What an account put in and owes.
struct Position {
    uint128 collateral;
    uint128 debt;
}

/// @notice How a market lends. Fixed at construction.
struct MarketRules {
    IFeedHub hub;
    /// @dev Of the feed: the price of one whole collateral in whole debt tokens.
    uint16 index;
    address collateral;
    address debt;
    /// @dev Largest debt after borrowing or withdrawing, in basis points of the collateral's value.
    uint16 borrowBps;
    /// @dev Debt beyond which a position may be liquidated, likewise; larger than `borrowBps`.
    uint16 liquidationBps;
    /// @dev What a liquidator gets on top of what it repays, in basis points.
    uint16 bonusBps;
    Guards guards;
    /// @dev Chainlink's uptime feed of a rollup; zero elsewhere.
    AggregatorV3Interface sequencer;
    uint32 grace_s;
}

/// @title A small lending market that acts on guarded prices alone
/// @notice Borrow one token against another. Lenders provide the debt token, anyone liquidates.
/// @dev An example: there is no interest, and lenders who recall last bear bad debt. Tokens must move just
///      the amount they say and have at most 18 decimals.
///
///      Whatever needs a price - `borrow`, `liquidate`, and `withdraw` by who owes - reverts while the
///      stored round does not meet the guards: too old, too few sources, too far apart, too weak a tier,
///      paused, the sequencer down or just up again. So nobody is liquidated on a price that is none, nor
///      before they could reach the chain to repay. What needs none works all the same: `deposit`, `repay`,
///      `lend`, `recall`, and `withdraw` by who owes nothing. Does NOT protect lenders while there is no
///      price: a position may go under meanwhile.
interface ILendingMarket {
    /// @notice Not borrowBps < liquidationBps, or a liquidation takes more than the collateral is worth.
    error LendingMarket_BadRules(uint16 borrowBps, uint16 liquidationBps, uint16 bonusBps);
    /// @notice The token borrowed cannot be its own collateral.
    error LendingMarket_SameToken(address seen);
    /// @notice The token says a number of decimals above 18.
    error LendingMarket_Decimals(uint256 seen, uint256 wanted);
    /// @notice More than there is: of collateral, or what the caller lent.
    error LendingMarket_TooMuch(uint256 seen, uint256 wanted);
    /// @notice Less collateral than the liquidator wants for what it repays.
    error LendingMarket_TooLittle(uint256 seen, uint256 wanted);
    /// @notice The position would owe more than its collateral allows.
    error LendingMarket_Uncovered(uint256 debt, uint256 wanted);
    /// @notice The position owes no more than it may.
    error LendingMarket_Healthy(uint256 debt, uint256 wanted);

    /// @notice An account's collateral changed by its own doing.
    event CollateralChanged(address indexed account, uint256 collateral);
    /// @notice An account's debt changed by its own doing, or because someone repaid it.
    event DebtChanged(address indexed account, uint256 debt);
    /// @notice What an account lent changed.
    event LentChanged(address indexed lender, uint256 lent);
    /// @notice A position was liquidated, whole or in part.
    event Liquidated(
        address indexed account,
        address indexed liquidator,
        uint256 repaid,
        uint256 seized,
        uint256 price
    );

    /// @notice Provide debt tokens for others to borrow.
    function lend(uint128 amount) external;

    /// @notice Take back what the caller lent, as far as it is not borrowed.
    function recall(uint128 amount) external;

    /// @notice Put in collateral.
    function deposit(uint128 amount) external;

    /// @notice Take out collateral. Asks for a price if the caller owes anything.
    function withdraw(uint128 amount) external;

    /// @notice Borrow debt tokens. Asks for a price.
    function borrow(uint128 amount) external;

    /// @notice Repay what an account owes. Anyone may, whatever the price.
    /// @param amount At most; what the account does not owe, as when someone else was faster, is not taken.
    /// @return repaid What was taken of the caller.
    function repay(address account, uint128 amount) external returns (uint128 repaid);

    /// @notice Repay for an account that owes more than it may, and take collateral for it. Asks for a price.
    /// @dev What the caller repays may be worth more than the collateral there is, and the price may have
    ///      moved since it looked: `minSeized` is what the caller wants all the same.
    /// @param amount At most; what the account does not owe is not taken.
    /// @param minSeized Least collateral for the whole amount, or it reverts; in proportion if less is owed.
    ///        Amounts are rounded: leave a little. 0 is any.
    /// @return repaid What was taken of the caller.
    /// @return seized Collateral worth what was repaid and the bonus, rounded down; at most all there is.
    function liquidate(address account, uint128 amount, uint256 minSeized)
        external
        returns (uint128 repaid, uint256 seized);

    /// @notice What an account put in and owes.
    function position(address account) external view returns (Position memory);

    /// @notice What an account lent.
    function lent(address account) external view returns (uint256);

    /// @notice The price now, if it meets the guards; reverts as `OracleReader` and the hub do.
    /// @return Positive, in the feed's decimals.
    function price() external view returns (uint256);

    /// @notice How the market lends.
    function rules() external view returns (MarketRules memory);
}
