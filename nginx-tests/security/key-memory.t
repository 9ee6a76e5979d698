# The traces of keys in the memory of the master and its workers: while keys are in use, only the states needed for IDs and
# signatures; afterwards nothing.
#
# HMAC starts from two states of SHA-256, after a block derived from the key; only these have to be kept.

use Sticky qw(Keys Running Visits);
use Digest::SHA 'hmac_sha256';

# Addresses may exceed the native integer size.
no warnings 'portable';

our @old = ('the key that was first', map { "the other key, number $_" } 1 .. 5);
our $new = 'the key that comes then';
our $refused = 'the key that is refused';
# valgrind and AddressSanitizer keep additional copies of a process's memory.
our $shows = !$ENV{TEST_NGINX_USE_VALGRIND} && !defined $ENV{ASAN_OPTIONS};

sub state_of {
    my ($block) = @_;
    my ($hex) = Digest::SHA->new(256)->add($block)->getstate =~ /^H:(\S+)/m;
    # As words in native byte order.
    return pack 'L*', unpack 'N*', pack 'H*', $hex =~ tr/://dr;
}

# The forms of a key: raw, as padded for HMAC, and in use. Maps a description to texts.
sub traces {
    my ($key) = @_;
    my %texts = (key => $key);
    my %pad = (inner => "\x36", outer => "\x5c");
    for my $which (keys %pad) {
        my $block = $pad{$which} x 64 ^ $key;
        $texts{"$which block"} = substr $block, 0, length $key;
        $texts{"$which state"} = state_of($block);
    }
    return \%texts;
}

# The key of the file, and the key derived from it for signatures of the cookie "route".
sub all_traces {
    my ($key) = @_;
    return ('of the file' => traces($key), 'of the cookie' => traces(hmac_sha256("\0signature of cookie route", $key)));
}

# How often each text occurs in the writable memory of a process.
sub copies {
    my ($pid, $texts) = @_;
    my %number = map { $_ => 0 } keys %$texts;
    open my $maps, '<', "/proc/$pid/maps" or die "no maps of $pid: $!\n";
    open my $memory, '<:raw', "/proc/$pid/mem" or die "no memory of $pid: $!\n";
    for my $map (readline $maps) {
        my ($start, $length) = $map =~ /^([0-9a-f]+)-([0-9a-f]+) rw/ ? (hex $1, hex($2) - hex $1) : next;
        sysseek $memory, $start, 0;
        my $read = sysread($memory, my $bytes, $length) // 0;
        die "cannot read the memory of $pid: $!\n" if $read != $length;
        for my $text (keys %$texts) {
            $number{$text} += () = $bytes =~ /\Q$texts->{$text}\E/g;
        }
    }
    return \%number;
}

# Whether the processes have a key in use, with each state once, or nowhere.
sub is_there {
    my ($times, $key, $what, @pids) = @_;
    my %traces = all_traces($key);
    for my $pid (@pids) {
        for my $which (sort keys %traces) {
            my $number = copies($pid, $traces{$which});
            my @found = map { "$_ $number->{$_}" } sort keys %$number;
            my @wanted = map { "$_ " . (/state/ ? $times : 0) } sort keys %$number;
            my $process = $pid == master() ? 'the master' : 'a worker';
            equals("@found", "@wanted", "$what, $which, in $process");
        }
    }
    return;
}

my $path = key_file('keys', @old);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    key_file('keys', @old);
    $block->set_value(http_config =>
        "upstream u { server 127.0.0.1:1985; session_sticky hash=hmac sign maxidle=1h key_file=$path; }");
    $block->set_value(may_warn => 'nonsense');
});
master_on();
run_tests();

__DATA__

=== keys in use, rejected keys, and removed keys
--- client
if (!$shows) {
    holds(1, 'memory is not examined');
    return;
}
is_there(1, $_, 'in use', master(), children()) for @old[0, 5];

key_file('keys', $refused);
configure(qr/session_sticky hash/, 'nonsense; session_sticky hash');
configure(qr/nonsense; (session_sticky [^;]*;)/, 'session_sticky hash=hmac sign maxidle=1h key_file=' . "$keys/keys; nonsense;");
kill HUP => master();
eventually(sub { log_lines(qr/\[emerg\].*nonsense/) }, 'a reload is rejected because of a later line');
is_there(0, $refused, 'refused', master(), children());
is_there(1, $old[0], 'still in use', master(), children());

key_file('keys', $new);
configure(qr/nonsense;/, '');
my %before = map { $_ => 1 } children();
holds(reload(), 'nginx reloads');
eventually(sub { !grep { $before{$_} } children() }, 'the previous worker has exited');
is_there(1, $new, 'in use now', master(), children());
is_there(0, $_, 'gone', master(), children()) for @old[0, 5];
--- no_error_log
[alert]
[crit]
