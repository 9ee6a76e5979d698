# Filters stderr of a file. build/run-t.sh redirects stderr of the file and of nginx to $CHECK_STDERR, and prints all of it if
# the file fails. If the file passes, it prints $CHECK_STDERR.unwanted, to which this module writes the lines that no block
# expects.
#
# A block expects the lines that contain one of its "error_log", and those that match its "grep_error_log", since these are
# compared with "grep_error_log_out".
#
#   may_warn(PATTERN)   lines that the file's configurations cause and that it does not check, in all its blocks. A block's
#                       section of that name lists such lines, or parts of them, for that block

package Quiet;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(may_warn);

my $file = $ENV{CHECK_STDERR};
my $read = 0;
my $tests = $$;
my ($block, $name, @may_warn, @unwanted);

sub may_warn { push @may_warn, @_; return }

# The last preprocessor of a block, since those of the file come later and run earlier.
INIT {
    Test::Nginx::Util::add_block_preprocessor(sub {
        sort_out();
        ($block, $name) = ($_[0], "$0 " . $_[0]->name);
    }) if defined $file;
}

END {
    if (defined $file && $$ == $tests) {
        local $?;
        sort_out();
        open my $out, '>', "$file.unwanted" or die "cannot write $file.unwanted: $!";
        print $out @unwanted;
        close $out or die "cannot write $file.unwanted: $!";
    }
}

# Lines written since the last call belong to the previous block.
sub sort_out {
    open my $stderr, '<', $file or die "cannot read $file: $!";
    seek $stderr, $read, 0;
    my @lines = readline $stderr;
    $read = tell $stderr;
    my @wanted = (@may_warn, $block ? asked_for($block) : ());
    my @left = grep {
        # Test::Nginx repeats lines of the log with \" for ".
        my $said = s/\\(["\\])/$1/gr;
        !grep { $said =~ $_ } @wanted;
    } @lines;
    push @unwanted, $block ? "$name:\n" : (), @left if @left;
    return;
}

# Patterns for the lines that a block expects. Under valgrind, Test::Nginx prints the block's name before it starts nginx;
# with AddressSanitizer, it prints that it does not know the name of a log.
sub asked_for {
    my ($asking) = @_;
    my @wanted = map { ref eq 'Regexp' ? $_ : qr/\Q$_\E/ }
        map { ref eq 'ARRAY' ? @$_ : ref ? $_ : grep { length } split /\n/ }
        grep { defined } $asking->error_log, $asking->may_warn;
    my $taken = $asking->grep_error_log;
    push @wanted, ref $taken ? $taken : qr/$taken/ if defined $taken;
    push @wanted, qr/\A\Q$name\E\n/ if $ENV{TEST_NGINX_USE_VALGRIND};
    push @wanted, qr/\Aunknown log name: / if defined $ENV{ASAN_OPTIONS};
    return grep { defined } @wanted;
}

1;
