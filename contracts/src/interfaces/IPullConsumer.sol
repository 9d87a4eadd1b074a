// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A consumer that brings its own report and acts on it in the same transaction
/// @dev Both ways check the same and store nothing; their refusals are those of `IFeedHub` and
///      `IFeedVerifier`. The maximum age is fixed at construction.
interface IPullConsumer {
    /// @notice The hub, or the verifier, is not a contract.
    error PullConsumer_NoContract(address seen);

    /// @notice The answer of one feed in a report, verified by the library compiled in.
    /// @param report As `FeedHub.submit` takes it.
    /// @param index Of the feed in the hub's list.
    /// @return Positive, in the feed's decimals.
    function price(bytes calldata report, uint16 index) external view returns (int64);

    /// @notice The same by the shared verifier: less code, one more call.
    /// @param report As `FeedHub.submit` takes it.
    /// @param index Of the feed in the hub's list.
    /// @return Positive, in the feed's decimals.
    function priceByVerifier(bytes calldata report, uint16 index) external view returns (int64);
}
