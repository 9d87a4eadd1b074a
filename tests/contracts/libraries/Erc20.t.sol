// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Erc20} from "contracts/libraries/Erc20.sol";

import {FakeErc20} from "../fakes/FakeErc20.sol";
import {Test} from "../Vm.sol";

contract Erc20Test is Test {
    address private constant OWNER = address(0x0E);

    FakeErc20 private token;

    function setUp() external {
        token = new FakeErc20(6);
        token.mint(address(this), 10);
        token.mint(OWNER, 10);
        vm.prank(OWNER);
        token.approve(address(this), 7);
    }

    /// @dev Calls of their own, for `expectRevert`.
    function send(address token_, uint256 amount) external {
        Erc20.send(token_, OWNER, amount);
    }

    function take(address token_, uint256 amount) external {
        Erc20.take(token_, OWNER, amount);
    }

    function decimalsOf(address token_) external view returns (uint256) {
        return Erc20.decimalsOf(token_);
    }

    function test_move_TakesTrueAndNothingForAnAnswer() external {
        this.send(address(token), 3);
        token.answerWith("");
        this.take(address(token), 7);
        assertEq(token.balanceOf(address(this)), 14, "here");
        assertEq(token.balanceOf(OWNER), 6, "there");
    }

    function test_move_RevertWhen_TheTokenRefuses() external {
        _expectNotMoved(address(token), address(this), OWNER, 11);
        this.send(address(token), 11);
        _expectNotMoved(address(token), OWNER, address(this), 8);
        this.take(address(token), 8);
    }

    function test_move_RevertWhen_TheAnswerIsNotTrue() external {
        bytes[3] memory answers = [abi.encode(false), abi.encode(2), bytes(hex"01")];
        for (uint256 i = 0; i < 3; ++i) {
            token.answerWith(answers[i]);
            _expectNotMoved(address(token), address(this), OWNER, 1);
            this.send(address(token), 1);
            _expectNotMoved(address(token), OWNER, address(this), 1);
            this.take(address(token), 1);
        }
    }

    function test_move_RevertWhen_ThereIsNoToken() external {
        _expectNotMoved(OWNER, address(this), OWNER, 1);
        this.send(OWNER, 1);
        _expectNotMoved(OWNER, OWNER, address(this), 1);
        this.take(OWNER, 1);
    }

    function test_decimalsOf_IsWhatTheTokenSays() external {
        assertEq(this.decimalsOf(address(token)), 6, "decimals");
        assertEq(this.decimalsOf(address(new FakeErc20(300))), 300, "whatever it says");
    }

    function test_decimalsOf_RevertWhen_ThereAreNone() external {
        address[2] memory without = [OWNER, address(this)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Erc20.Erc20_NoDecimals.selector, without[i]));
            this.decimalsOf(without[i]);
        }
    }

    function _expectNotMoved(address token_, address from, address to, uint256 amount) private {
        vm.expectRevert(
            abi.encodeWithSelector(Erc20.Erc20_NotMoved.selector, token_, from, to, amount)
        );
    }
}
