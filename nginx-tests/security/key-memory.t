# What is left of keys in memory: while they are in use nothing but what ids and signatures are made with, and afterwards nothing
# at all, in the master and in its workers.
#
# HMAC begins with two states of SHA-256, after a block that is made of the key; these are all that has to be kept.

use Sticky qw(Keys Running Visits);
use Digest::SHA 'hmac_sha256';

# Addresses are longer than some machines' numbers.
no warnings 'portable';

our @old = ('the key that was first', map { "the key beside it, number $_" } 1 .. 5);
our $new = 'the key that comes then';
our $refused = 'the key that is refused';
# Both keep more of a process than there is.
our $shows = !$ENV{TEST_NGINX_USE_VALGRIND} && !defined $ENV{ASAN_OPTIONS};

sub state_of {
    my ($block) = @_;
    my ($hex) = Digest::SHA->new(256)->add($block)->getstate =~ /^H:(\S+)/m;
    # As words of this machine.
    return pack 'L*', unpack 'N*', pack 'H*', $hex =~ tr/://dr;
}

# What a key is by itself, on its way into HMAC, and in use: texts by what they are.
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

# The key of the file, and the one that signatures of the cookie "route" are made with.
sub all_traces {
    my ($key) = @_;
    return ('of the file' => traces($key), 'of the cookie' => traces(hmac_sha256("\0signature of cookie route", $key)));
}

# How often each text is in the memory of a process that it can write to.
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

# Whether a key is in use by the processes, each state of it once, or nowhere.
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

=== keys that are in use, that are refused, and that have gone
--- client
if (!$shows) {
    holds(1, 'memory is not looked at');
    return;
}
is_there(1, $_, 'in use', master(), children()) for @old[0, 5];

key_file('keys', $refused);
configure(qr/session_sticky hash/, 'nonsense; session_sticky hash');
configure(qr/nonsense; (session_sticky [^;]*;)/, 'session_sticky hash=hmac sign maxidle=1h key_file=' . "$keys/keys; nonsense;");
kill HUP => master();
eventually(sub { log_lines(qr/\[emerg\].*nonsense/) }, 'a reload is refused, behind the directive');
is_there(0, $refused, 'refused', master(), children());
is_there(1, $old[0], 'still in use', master(), children());

key_file('keys', $new);
configure(qr/nonsense;/, '');
my %before = map { $_ => 1 } children();
holds(reload(), 'a reload');
eventually(sub { !grep { $before{$_} } children() }, 'the worker from before has ended');
is_there(1, $new, 'in use now', master(), children());
is_there(0, $_, 'gone', master(), children()) for @old[0, 5];
--- no_error_log
[alert]
[crit]
