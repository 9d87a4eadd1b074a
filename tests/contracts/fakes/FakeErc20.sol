// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A token with as many coins as a test wants, which answers a transfer as the test wants, and may
///         call someone in between. For tests alone.
contract FakeErc20 {
    uint256 public immutable decimals;
    mapping(address owner => uint256 amount) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 amount)) public allowance;

    bytes private _answer = abi.encode(true);
    address private _called;
    bytes private _call;
    bytes public reason;

    error FakeErc20_TooLittle(uint256 seen, uint256 wanted);

    constructor(uint256 decimals_) {
        decimals = decimals_;
    }

    function mint(address owner, uint256 amount) external {
        balanceOf[owner] += amount;
    }

    function answerWith(bytes calldata answer) external {
        _answer = answer;
    }

    function callOnTransfer(address called, bytes calldata call) external {
        (_called, _call) = (called, call);
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        uint256 allowed = allowance[from][msg.sender];
        require(allowed >= amount, FakeErc20_TooLittle(allowed, amount));
        allowance[from][msg.sender] = allowed - amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        require(balanceOf[from] >= amount, FakeErc20_TooLittle(balanceOf[from], amount));
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        if (_called != address(0)) (, reason) = _called.call(_call);
        bytes memory answer = _answer;
        assembly ("memory-safe") {
            return(add(answer, 32), mload(answer))
        }
    }
}
