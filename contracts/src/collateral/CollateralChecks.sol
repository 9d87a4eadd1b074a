// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Collateral, IIntelCollateral} from "../interfaces/IIntelCollateral.sol";
import {P256} from "../libraries/P256.sol";
import {Certificate, X509} from "../libraries/X509.sol";
import {CollateralWord, CollateralWords} from "../types/CollateralWord.sol";
import {SolidityP256} from "./SolidityP256.sol";

/// @title What `IntelCollateral` asks of anything that it is brought, or that it is asked for
abstract contract CollateralChecks is IIntelCollateral {
    address private immutable _p256;

    /// @param hasPrecompile Whether the chain has P256VERIFY; in Solidity if not.
    constructor(bool hasPrecompile) {
        address backend = hasPrecompile ? P256.PRECOMPILE : address(new SolidityP256());
        require(P256.isAvailable(backend), IntelCollateral_NoP256(backend));
        _p256 = backend;
    }

    /// @inheritdoc IIntelCollateral
    function p256() external view returns (address) {
        return _p256;
    }

    /// @dev A document that is there and usable.
    function _live(Collateral storage kept, bytes32 key, uint16 epoch)
        internal
        view
        returns (CollateralWord found)
    {
        found = CollateralWords.load(kept);
        require(found.issuedAt() != 0, IntelCollateral_Missing(key));
        require(found.epoch() == epoch, IntelCollateral_Epoch(found.epoch(), epoch));
        _requireNotExpired(found.validUntil());
    }

    /// @dev In time, and newer than what it replaces; or as new, if that has to be verified again.
    function _requireUpdate(Collateral memory made, Collateral memory old) internal view {
        _requireNewer(
            made.issuedAt, made.epoch == old.epoch ? uint256(old.issuedAt) + 1 : old.issuedAt
        );
        _requireWindow(made.issuedAt, made.validUntil);
    }

    function _requireWindow(uint256 begin, uint256 end) internal view {
        require(begin <= block.timestamp, IntelCollateral_NotYetValid(begin, block.timestamp));
        _requireNotExpired(end);
    }

    function _requireNotExpired(uint256 end) internal view {
        require(end >= block.timestamp, IntelCollateral_Expired(end, block.timestamp));
    }

    function _requireSigned(bytes32 digest, bytes32 r, bytes32 s, bytes32 x, bytes32 y)
        internal
        view
    {
        require(
            P256.verify({backend: _p256, digest: digest, r: r, s: s, x: x, y: y}),
            IntelCollateral_Signature(digest)
        );
    }

    function _requireCa(Certificate memory c, uint8 pathLength) internal pure {
        require(c.isCa, IntelCollateral_NotACa(c.id));
        require(c.pathLength == pathLength, IntelCollateral_PathLength(c.pathLength, pathLength));
        _requireUsage(c.keyUsage, X509.KEY_CERT_SIGN | X509.CRL_SIGN, 0);
    }

    function _requireUsage(uint8 seen, uint8 set, uint8 clear) internal pure {
        require(seen & set == set && seen & clear == 0, IntelCollateral_KeyUsage(seen, set, clear));
    }

    function _requireNewer(uint256 issuedAt, uint256 least) internal pure {
        require(issuedAt >= least, IntelCollateral_NotNewer(issuedAt, least));
    }

    function _requireLength(uint256 length, uint256 most) internal pure {
        require(length <= most, IntelCollateral_TooLong(length, most));
    }

    function _earlier(uint40 a, uint40 b) internal pure returns (uint40) {
        return a < b ? a : b;
    }
}
