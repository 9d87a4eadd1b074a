// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILendingMarket, MarketRules, Position} from "../../interfaces/ILendingMarket.sol";
import {Erc20} from "../../libraries/Erc20.sol";
import {MulDiv} from "../../libraries/MulDiv.sol";
import {Narrow} from "../../libraries/Narrow.sol";
import {OracleReader} from "../OracleReader.sol";

/// @title A small lending market that acts on guarded prices alone; see `ILendingMarket`
/// @dev Tokens move last: whoever they call back finds the books closed.
contract LendingMarket is ILendingMarket {
    using Erc20 for address;

    uint256 private constant BPS = 10_000;
    uint256 private constant MAX_DECIMALS = 18;

    /// @dev Value in debt tokens = collateral x price x `_debtScale` / `_collateralScale`.
    uint256 private immutable _debtScale;
    uint256 private immutable _collateralScale;

    /// @dev Written by the constructor alone.
    MarketRules private _rules;
    mapping(address account => Position position) private _positions;
    mapping(address lender => uint256 amount) private _lent;

    constructor(MarketRules memory rules_) {
        (uint256 limit, uint256 bonus) = (rules_.liquidationBps, rules_.bonusBps);
        require(
            rules_.borrowBps < limit && limit * (BPS + bonus) <= BPS * BPS,
            LendingMarket_BadRules(rules_.borrowBps, rules_.liquidationBps, rules_.bonusBps)
        );
        require(rules_.collateral != rules_.debt, LendingMarket_SameToken(rules_.debt));
        _rules = rules_;
        _debtScale = 10 ** _decimalsOf(rules_.debt);
        _collateralScale =
            10 ** (_decimalsOf(rules_.collateral) + rules_.hub.feedInfo(rules_.index).decimals);
    }

    /// @inheritdoc ILendingMarket
    function lend(uint128 amount) external {
        _lent[msg.sender] += amount;
        emit LentChanged(msg.sender, _lent[msg.sender]);
        _rules.debt.take(msg.sender, amount);
    }

    /// @inheritdoc ILendingMarket
    function recall(uint128 amount) external {
        uint256 own = _lent[msg.sender];
        require(amount <= own, LendingMarket_TooMuch(amount, own));
        _lent[msg.sender] = own - amount;
        emit LentChanged(msg.sender, own - amount);
        _rules.debt.send(msg.sender, amount);
    }

    /// @inheritdoc ILendingMarket
    function deposit(uint128 amount) external {
        Position storage own = _positions[msg.sender];
        own.collateral = Narrow.u128(uint256(own.collateral) + amount);
        emit CollateralChanged(msg.sender, own.collateral);
        _rules.collateral.take(msg.sender, amount);
    }

    /// @inheritdoc ILendingMarket
    function withdraw(uint128 amount) external {
        Position storage own = _positions[msg.sender];
        require(amount <= own.collateral, LendingMarket_TooMuch(amount, own.collateral));
        own.collateral -= amount;
        if (own.debt != 0) _requireCovered(own);
        emit CollateralChanged(msg.sender, own.collateral);
        _rules.collateral.send(msg.sender, amount);
    }

    /// @inheritdoc ILendingMarket
    function borrow(uint128 amount) external {
        Position storage own = _positions[msg.sender];
        own.debt = Narrow.u128(uint256(own.debt) + amount);
        _requireCovered(own);
        emit DebtChanged(msg.sender, own.debt);
        _rules.debt.send(msg.sender, amount);
    }

    /// @inheritdoc ILendingMarket
    function repay(address account, uint128 amount) external returns (uint128 repaid) {
        Position storage owing = _positions[account];
        repaid = amount < owing.debt ? amount : owing.debt;
        owing.debt -= repaid;
        emit DebtChanged(account, owing.debt);
        _rules.debt.take(msg.sender, repaid);
    }

    /// @inheritdoc ILendingMarket
    function liquidate(address account, uint128 amount, uint256 minSeized)
        external
        returns (uint128 repaid, uint256 seized)
    {
        // 1. A price, or nothing happens.
        uint256 price_ = price();
        // 2. The position owes more than it may.
        Position storage owing = _positions[account];
        uint256 most = _allowed(owing.collateral, price_, _rules.liquidationBps);
        require(owing.debt > most, LendingMarket_Healthy(owing.debt, most));
        // 3. What the liquidator gives and gets: no more than is owed, and no less than it wants.
        repaid = amount < owing.debt ? amount : owing.debt;
        uint256 worth = uint256(repaid) * (BPS + _rules.bonusBps) / BPS;
        seized = MulDiv.mulDiv(worth, _collateralScale, price_ * _debtScale);
        if (seized > owing.collateral) seized = owing.collateral;
        if (repaid != amount) minSeized = MulDiv.mulDiv(minSeized, repaid, amount);
        require(seized >= minSeized, LendingMarket_TooLittle(seized, minSeized));
        // 4. Effect.
        owing.debt -= repaid;
        owing.collateral -= Narrow.u128(seized);
        emit Liquidated(account, msg.sender, repaid, seized, price_);
        _rules.debt.take(msg.sender, repaid);
        _rules.collateral.send(msg.sender, seized);
    }

    /// @inheritdoc ILendingMarket
    function position(address account) external view returns (Position memory) {
        return _positions[account];
    }

    /// @inheritdoc ILendingMarket
    function lent(address account) external view returns (uint256) {
        return _lent[account];
    }

    /// @inheritdoc ILendingMarket
    function rules() external view returns (MarketRules memory) {
        return _rules;
    }

    /// @inheritdoc ILendingMarket
    function price() public view returns (uint256) {
        MarketRules memory rules_ = _rules;
        if (address(rules_.sequencer) != address(0)) {
            OracleReader.checkSequencer(rules_.sequencer, rules_.grace_s);
        }
        return Narrow.positive(OracleReader.read(rules_.hub, rules_.index, rules_.guards).answer);
    }

    function _requireCovered(Position storage own) private view {
        uint256 most = _allowed(own.collateral, price(), _rules.borrowBps);
        require(own.debt <= most, LendingMarket_Uncovered(own.debt, most));
    }

    /// @dev The debt that some collateral allows, rounded down. Nothing overflows: 128 bits of collateral,
    ///      63 of a price and 60 of 10^18 make 251.
    function _allowed(uint256 collateral, uint256 price_, uint256 bps)
        private
        view
        returns (uint256)
    {
        uint256 value = collateral * (price_ * _debtScale) / _collateralScale;
        return MulDiv.mulDiv(value, bps, BPS);
    }

    function _decimalsOf(address token) private view returns (uint256 decimals) {
        decimals = token.decimalsOf();
        require(decimals <= MAX_DECIMALS, LendingMarket_Decimals(decimals, MAX_DECIMALS));
    }
}
