// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Tokens, whose transfers may answer true, or nothing
library Erc20 {
    /// @notice The token refused, answered false, or is no contract.
    error Erc20_NotMoved(address token, address from, address to, uint256 amount);

    /// @notice The token does not say its decimals.
    error Erc20_NoDecimals(address token);

    /// @notice Move tokens of the contract that calls.
    /// @dev Does NOT establish that the recipient got as many: some tokens keep a part.
    function send(address token, address to, uint256 amount) internal {
        bytes memory call = abi.encodeWithSignature("transfer(address,uint256)", to, amount);
        require(_isDone(token, call), Erc20_NotMoved(token, address(this), to, amount));
    }

    /// @notice Move tokens that their owner allowed the contract that calls to take, to itself.
    /// @dev Does NOT establish that as many arrived.
    function take(address token, address from, uint256 amount) internal {
        bytes memory call = abi.encodeWithSignature(
            "transferFrom(address,address,uint256)", from, address(this), amount
        );
        require(_isDone(token, call), Erc20_NotMoved(token, from, address(this), amount));
    }

    /// @notice The token's decimals, whatever it says.
    function decimalsOf(address token) internal view returns (uint256) {
        (bool isDone, bytes memory answer) = token.staticcall(abi.encodeWithSignature("decimals()"));
        require(isDone && answer.length >= 32, Erc20_NoDecimals(token));
        return abi.decode(answer, (uint256));
    }

    function _isDone(address token, bytes memory call) private returns (bool) {
        (bool isDone, bytes memory answer) = token.call(call);
        if (!isDone || token.code.length == 0) return false;
        return answer.length == 0 || (answer.length >= 32 && abi.decode(answer, (uint256)) == 1);
    }
}
