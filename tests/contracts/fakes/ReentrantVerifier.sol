// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claims} from "contracts/interfaces/IAttestationVerifier.sol";
import {Tier} from "contracts/types/Tee.sol";

/// @notice A malicious verifier, which calls back whenever it is called. For tests alone.
/// @dev `verify` is no view here, as a contract that lies about it need not be.
contract ReentrantVerifier {
    struct Call {
        address to;
        bytes data;
    }

    Call private _onEndorsements;
    Call private _onVerify;

    function onEndorsements(address to, bytes calldata data) external {
        _onEndorsements = Call(to, data);
    }

    function onVerify(address to, bytes calldata data) external {
        _onVerify = Call(to, data);
    }

    function addEndorsements(bytes calldata) external {
        _call(_onEndorsements);
    }

    function verify(bytes calldata evidence, bytes calldata)
        external
        returns (Claims memory claims)
    {
        _call(_onVerify);
        claims = abi.decode(evidence, (Claims));
    }

    function tier() external pure returns (uint8) {
        return Tier.DIRECT;
    }

    function name() external pure returns (string memory) {
        return "reentrant/1";
    }

    /// @dev Whether it succeeds or not.
    function _call(Call storage it) private {
        (bool isDone,) = it.to.call(it.data);
        isDone;
    }
}
